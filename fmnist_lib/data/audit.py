"""Audit of the data before training: class balance, duplicates, test leakage, blank images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.data.duplicates import distinct, near_pairs
from fmnist_lib.data.figures import class_balance, near_duplicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.training import AuditConfig
    from fmnist_lib.data.dataset import Dataset, Split
    from fmnist_lib.data.duplicates import Indices, NearPairs

_TRAINING, _TEST = 0, 1


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
class TwinCount:
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
    twins : tuple of TwinCount
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
        Class balance, and the examples if there are any.
    """

    splits: tuple[SplitAudit, ...]
    twins: tuple[TwinCount, ...]
    near_duplicate_distance: float
    near_pairs: int
    near_search_complete: bool
    examples: tuple[ExamplePair, ...]
    pictures: tuple[Picture, ...]

    @property
    def leaks(self) -> TwinCount:
        """Test images with a duplicate among the training and validation images."""
        return self.twins[-1]


def audit(dataset: Dataset, config: AuditConfig) -> DataAudit:
    """Check the data.

    Duplicates and near-duplicates are found by an exact search over all pairs (see
    `fmnist_lib.data.duplicates.near_pairs`).

    Parameters
    ----------
    dataset : Dataset
    config : AuditConfig
        ``near_duplicate_distance`` (root-mean-square difference, 0-255) and ``examples``.
    """
    splits = tuple(_audit_split(name, split) for name, split in dataset.splits.items())
    images = np.concatenate([split.images for split in dataset.splits.values()])
    labels = np.concatenate([split.labels for split in dataset.splits.values()])
    names = np.repeat(list(dataset.splits), [len(split) for split in dataset.splits.values()])
    first, group = distinct(images)
    pairs = near_pairs(images[first], config.near_duplicate_distance)
    chosen = _select_examples(pairs, labels[first], names[first], config.examples)
    examples = tuple(
        ExamplePair(
            images=images[rows],
            labels=(int(labels[rows[0]]), int(labels[rows[1]])),
            splits=(str(names[rows[0]]), str(names[rows[1]])),
            distance=float(pairs.distance[pair]),
        )
        for pair in chosen
        for rows in [first[[pairs.first[pair], pairs.second[pair]]]]
    )
    return DataAudit(
        splits=splits,
        twins=_count_duplicates(group, labels, names == "test", pairs),
        near_duplicate_distance=config.near_duplicate_distance,
        near_pairs=len(pairs.first),
        near_search_complete=pairs.complete,
        examples=examples,
        pictures=(class_balance(splits), *near_duplicates(examples)),
    )


def _audit_split(name: str, split: Split) -> SplitAudit:
    flat = split.images.reshape(len(split), -1)
    darkest, brightest = flat.min(axis=1), flat.max(axis=1)
    return SplitAudit(
        name=name,
        images=len(split),
        class_counts=tuple(np.bincount(split.labels, minlength=N_CLASSES).tolist()),
        minimum=int(darkest.min()),
        maximum=int(brightest.max()),
        mean=float(flat.mean()),
        zero_share=1 - int(np.count_nonzero(flat)) / flat.size,
        constant=int(np.count_nonzero(darkest == brightest)),
        empty=int(np.count_nonzero(brightest == 0)),
    )


def _count_duplicates(
    group: Indices, labels: NDArray[np.uint8], is_test: NDArray[np.bool_], pairs: NearPairs
) -> tuple[TwinCount, ...]:
    pool = np.where(is_test, _TEST, _TRAINING)
    # Images per group of identical images, split (training or test) and label.
    identical = np.zeros((int(group.max()) + 1, 2, N_CLASSES), dtype=np.int64)
    np.add.at(identical, (group, pool, labels), 1)
    near = identical.copy()
    np.add.at(near, pairs.first, identical[pairs.second])
    np.add.at(near, pairs.second, identical[pairs.first])

    def count(scope: str, here: int, there: int) -> TwinCount:
        rows = pool == here
        where = group[rows], labels[rows]
        found = [
            number
            for table in (identical, near)
            for number in _count_with_duplicate(table[:, there], *where, same_pool=here == there)
        ]
        return TwinCount(scope, int(rows.sum()), *found)

    return (
        count("within training and validation", _TRAINING, _TRAINING),
        count("within test", _TEST, _TEST),
        count("of test images in training and validation", _TEST, _TRAINING),
    )


def _count_with_duplicate(
    neighbours: NDArray[np.int64], group: Indices, labels: NDArray[np.uint8], same_pool: bool
) -> tuple[int, int]:
    """Count images with a neighbour, and with a neighbour of another label."""
    total = neighbours[group].sum(axis=1)
    own_label = neighbours[group, labels]
    has_duplicate = total > int(same_pool)  # an image is not a duplicate of itself
    return int(np.count_nonzero(has_duplicate)), int(np.count_nonzero(total > own_label))


def _select_examples(
    pairs: NearPairs, labels: NDArray[np.uint8], names: NDArray[np.str_], wanted: int
) -> Indices:
    """Return the pairs to show: different labels first, then test leaks, then by distance."""
    a, b = pairs.first, pairs.second
    same_side = (names[a] == "test") == (names[b] == "test")
    return np.lexsort((b, a, pairs.distance, same_side, labels[a] == labels[b]))[:wanted]
