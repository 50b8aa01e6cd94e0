"""Contribution of each part of a run to its accuracy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.common.statistics import Estimate


@dataclass(frozen=True)
class Contribution:
    """Accuracy lost without one part.

    Attributes
    ----------
    name : str
    loss : Estimate
        Accuracy with the part minus accuracy without it, in [-1, 1].
    """

    name: str
    loss: Estimate


@dataclass(frozen=True)
class RefitContribution:
    """Accuracy lost when a pipeline is fitted without one feature block.

    Attributes
    ----------
    name : str
    accuracy : float
        Of the pipeline without the block, in [0, 1].
    loss : Estimate
        Accuracy with the block minus accuracy without it, both fitted on the same images.
    p_value : float
        McNemar's test, corrected for the number of blocks (Bonferroni).
    """

    name: str
    accuracy: float
    loss: Estimate
    p_value: float


@dataclass(frozen=True)
class BlockRefits:
    """The winner's pipeline fitted with and without each feature block.

    Attributes
    ----------
    n_fit, n_images : int
        Training images of each fit, and validation images it is scored on.
    accuracy : float
        With all blocks, in [0, 1].
    blocks : tuple of RefitContribution
    """

    n_fit: int
    n_images: int
    accuracy: float
    blocks: tuple[RefitContribution, ...]


@dataclass(frozen=True, eq=False)
class Contributions:
    """Contributions of feature blocks and ensemble members, on validation images.

    Attributes
    ----------
    n_images : int
        Validation images that the blocks were permuted in.
    blocks : sequence of Contribution
        Feature blocks of the best single candidate; empty if it takes raw pixels.
    members : sequence of Contribution
        Members of the ensemble; empty without one.
    agreement : DataFrame
        Share of the validation images that two candidates classify alike; rows and columns are
        candidates, without baselines.
    refits : BlockRefits or None
        None if the best single candidate has fewer than two blocks.
    shapley : sequence of Contribution
        Shapley values of the feature blocks; empty if there are fewer than two, or so many that
        they would take too long.
    others : mapping of str to sequence of Contribution
        Feature blocks of the other candidates that have two or more, without baselines.
    """

    n_images: int
    blocks: Sequence[Contribution]
    members: Sequence[Contribution]
    agreement: pd.DataFrame
    refits: BlockRefits | None = None
    shapley: Sequence[Contribution] = ()
    others: Mapping[str, Sequence[Contribution]] = field(default_factory=dict)
