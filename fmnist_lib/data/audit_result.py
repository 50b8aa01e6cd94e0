"""Result of the data audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmnist_lib.common.plotting import Picture


@dataclass(frozen=True)
class SplitAudit:
    """Summary statistics of one split.

    Attributes
    ----------
    name : str
    images : int
    class_counts : tuple of int
        Images of every class, in label order.
    minimum, maximum : int
        Darkest and brightest pixel, 0-255.
    mean : float
        Of all pixels, 0-255.
    zero_share : float
        Share of pixels that are 0, in [0, 1].
    constant, empty : int
        Images in which all pixels are equal; those in which all are 0.
    """

    name: str
    images: int
    class_counts: tuple[int, ...]
    minimum: int
    maximum: int
    mean: float
    zero_share: float
    constant: int
    empty: int


@dataclass(frozen=True)
class DuplicateCount:
    """Counts of duplicates and near-duplicates.

    Attributes
    ----------
    scope : str
        Splits that the images come from and that are searched for duplicates of them.
    images : int
        Images checked.
    identical, near : int
        Images with at least one exact duplicate; with at least one near-duplicate (exact ones
        included).
    identical_conflicting, near_conflicting : int
        Those of them whose duplicate has another label.
    """

    scope: str
    images: int
    identical: int
    identical_conflicting: int
    near: int
    near_conflicting: int


@dataclass(frozen=True, eq=False)
class ExamplePair:
    """A pair of near-duplicates.

    Attributes
    ----------
    images : ndarray of uint8, shape (2, 28, 28)
    labels : tuple of two int
    splits : tuple of two str
    distance : float
        Root-mean-square difference of the pixels, 0-255.
    """

    images: NDArray[np.uint8]
    labels: tuple[int, int]
    splits: tuple[str, str]
    distance: float


@dataclass(frozen=True, eq=False)
class DataAudit:
    """Result of the audit.

    Attributes
    ----------
    splits : tuple of SplitAudit
    duplicates : tuple of DuplicateCount
        Within training and validation, within test, and of test images in training and
        validation.
    near_duplicate_distance : float
        Largest root-mean-square difference of near-duplicates, 0-255.
    near_pairs : int
        Pairs of distinct images within that distance.
    near_search_complete : bool
        False if the search stopped at its limit of comparisons: the counts of near-duplicates
        are then lower bounds.
    examples : tuple of ExamplePair
        Near-duplicates: first those with different labels, then those across test and training.
    pictures : tuple of Picture
        Of the examples, if there are any.
    n_identical : int
        Images of any split with an exact duplicate in any split.
    leaked : tuple of int
        Test images, by position, with an exact or near-duplicate in training or validation.
    """

    splits: tuple[SplitAudit, ...]
    duplicates: tuple[DuplicateCount, ...]
    near_duplicate_distance: float
    near_pairs: int
    near_search_complete: bool
    examples: tuple[ExamplePair, ...]
    pictures: tuple[Picture, ...]
    n_identical: int = 0
    leaked: tuple[int, ...] = ()

    @property
    def leaks(self) -> DuplicateCount:
        """Test images with a duplicate among the training and validation images."""
        return self.duplicates[-1]
