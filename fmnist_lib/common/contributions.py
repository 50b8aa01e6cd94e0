"""Contribution of each part of a run to its accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """

    n_images: int
    blocks: Sequence[Contribution]
    members: Sequence[Contribution]
    agreement: pd.DataFrame
