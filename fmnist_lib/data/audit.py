"""Audit of the data before training: class balance, duplicates, test leakage, blank images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.data.audit_result import DataAudit, DuplicateCount, ExamplePair, SplitAudit
from fmnist_lib.data.duplicates import distinct, near_pairs
from fmnist_lib.data.figures import near_duplicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmnist_lib.config.training import AuditConfig
    from fmnist_lib.data.dataset import Dataset, Split
    from fmnist_lib.data.duplicates import Indices, NearPairs

_TRAINING, _TEST = 0, 1


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
        duplicates=_count_duplicates(group, labels, names == "test", pairs),
        near_duplicate_distance=config.near_duplicate_distance,
        near_pairs=len(pairs.first),
        near_search_complete=pairs.complete,
        examples=examples,
        pictures=near_duplicates(examples),
        n_identical=int((np.bincount(group)[group] > 1).sum()),
        leaked=_leaked(group, names == "test", pairs),
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
) -> tuple[DuplicateCount, ...]:
    pool = np.where(is_test, _TEST, _TRAINING)
    # Images per group of identical images, split (training or test) and label.
    identical = np.zeros((int(group.max()) + 1, 2, N_CLASSES), dtype=np.int64)
    np.add.at(identical, (group, pool, labels), 1)
    near = identical.copy()
    np.add.at(near, pairs.first, identical[pairs.second])
    np.add.at(near, pairs.second, identical[pairs.first])

    def count(scope: str, here: int, there: int) -> DuplicateCount:
        rows = pool == here
        where = group[rows], labels[rows]
        found = [
            number
            for table in (identical, near)
            for number in _count_with_duplicate(table[:, there], *where, same_pool=here == there)
        ]
        return DuplicateCount(scope, int(rows.sum()), *found)

    return (
        count("within training and validation", _TRAINING, _TRAINING),
        count("within test", _TEST, _TEST),
        count("of test images in training and validation", _TEST, _TRAINING),
    )


def _leaked(group: Indices, is_test: NDArray[np.bool_], pairs: NearPairs) -> tuple[int, ...]:
    """Return the positions of test images with a duplicate outside the test."""
    trained = np.zeros(int(group.max()) + 1, dtype=bool)
    trained[group[~is_test]] = True
    near = trained.copy()
    np.logical_or.at(near, pairs.first, trained[pairs.second])
    np.logical_or.at(near, pairs.second, trained[pairs.first])
    return tuple(np.flatnonzero(near[group[is_test]]).tolist())


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
