"""Result of the label audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.common.statistics import Estimate

Kind = Literal["likely error", "ambiguous class"]


@dataclass(frozen=True)
class WeakGroup:
    """Group of similar images that is predicted worst.

    Attributes
    ----------
    n_images : int
    accuracy : Estimate
        Out of fold; the interval is corrected for the number of groups.
    classes : dict of str to int
        Images of the most frequent labels in the group.
    n_groups : int
        Groups compared.
    """

    n_images: int
    accuracy: Estimate
    classes: dict[str, int]
    n_groups: int


@dataclass(frozen=True, eq=False)
class LabelAudit:
    """Training images whose labels are suspect.

    Attributes
    ----------
    suspects : DataFrame
        Most suspicious first. ``image`` (position in the training file, counted from 0), ``given``
        and ``suggested`` (class names), ``kind`` ("likely error" or "ambiguous class"),
        ``given_probability`` and ``suggested_probability`` (out of fold), ``neighbours_given`` and
        ``neighbours_suggested`` (how many of the nearest images have that label), ``neighbours``
        (how many were compared), ``duplicates`` (positions of near-duplicates with another label).
    n_images, n_available : int
        Training images audited, and all there are.
    accuracy : Estimate
        Share of the given labels that are the most probable class, out of fold.
    unusual : DataFrame
        Images that are unusual whatever their label: ``image``, ``label``, ``reason`` ("dark",
        "little information" or "outlier"), ``value``.
    weak_group : WeakGroup or None
        None with too few images for groups.
    seconds : float
        Of the cross-fit and the audit.
    notes : tuple of str
        What could not be audited, and why.
    pictures : tuple of Picture
    """

    suspects: pd.DataFrame
    n_images: int
    n_available: int
    accuracy: Estimate
    unusual: pd.DataFrame
    weak_group: WeakGroup | None
    seconds: float
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...]

    def count(self, kind: Kind) -> int:
        """Count the suspects of a kind."""
        return int((self.suspects["kind"] == kind).sum())
