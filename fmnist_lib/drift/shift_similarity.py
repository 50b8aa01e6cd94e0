"""Rank simulated shifts by the similarity of their effect on named features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.drift.columns import OUTPUT_COLUMNS

if TYPE_CHECKING:
    from fmnist_lib.drift.batch import Batch

#: Reference images that shifts are simulated on.
_ROWS = 600


@dataclass(frozen=True)
class ShiftSimilarity:
    """Similarity of a batch to one kind of simulated shift.

    Attributes
    ----------
    kind : str
        "class mix", "intensity", "geometry", ...
    example : str
        The most similar simulated shift of this kind.
    score : float in [0, 1]
        Cosine similarity of the two feature movements, negative values clipped to 0.
    """

    kind: str
    example: str
    score: float


def rank_similar_shifts(reference: Batch, current: Batch, seed: int) -> tuple[ShiftSimilarity, ...]:
    """Rank kinds of shifts by the similarity of their feature movements.

    The movement of a feature is the change of its mean rank among the reference images, and of
    its mean distance from their median. Both are proportional to the share of shifted images, so
    that the direction identifies the kind.

    Parameters
    ----------
    reference, current : Batch
    seed : int

    Returns
    -------
    tuple of ShiftSimilarity
        Most similar first, one per kind.
    """
    rng = np.random.default_rng(seed)
    before, now = (batch.columns[:, len(OUTPUT_COLUMNS) :] for batch in (reference, current))
    observed = movement(before, now)
    rows = rng.permutation(len(reference))[:_ROWS]
    found = [
        ShiftSimilarity(
            "class mix",
            "other shares of classes",
            _cosine(observed, _class_mix_movement(reference, current, before)),
        )
    ]
    found += [
        ShiftSimilarity(
            kind,
            text,
            _cosine(observed, movement(before, features) - movement(before, before[rows])),
        )
        for kind, text, features in _simulated(reference.rows(rows), seed)
    ]
    best: dict[str, ShiftSimilarity] = {}
    for one in sorted(found, key=lambda one: -one.score):
        best.setdefault(one.kind, one)
    return tuple(best.values())


def movement(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Change of mean rank and of mean distance from the median, of shape (2 n_columns,)."""
    ranks = np.stack(
        [
            (np.searchsorted(column, values, "left") + np.searchsorted(column, values, "right"))
            / (2 * len(column))
            for column, values in zip(np.sort(before, axis=0).T, now.T, strict=True)
        ]
    )
    return np.concatenate([ranks.mean(axis=1) - 0.5, np.abs(2 * ranks - 1).mean(axis=1) - 0.5])


def _class_mix_movement(reference: Batch, current: Batch, before: np.ndarray) -> np.ndarray:
    """Movement expected from the change of the predicted class shares alone."""
    shares = [
        np.bincount(batch.classes, minlength=N_CLASSES) / len(batch)
        for batch in (reference, current)
    ]
    change = shares[1] - shares[0]
    movements = np.stack(
        [
            movement(before, before[reference.classes == one])
            if shares[0][one]
            else np.zeros(2 * before.shape[1])
            for one in range(N_CLASSES)
        ]
    )
    return change @ movements


def _simulated(sample: Batch, seed: int) -> list[tuple[str, str, np.ndarray]]:
    """Kind, example and features of every simulated shift."""
    from fmnist_lib.drift.shifts.catalogue import SHIFTS, simulate
    from fmnist_lib.features.named import named_features

    return [
        (
            shift.kind,
            shift.describe(shift.severity),
            named_features(simulate(name, sample.images, sample.classes, seed).images).to_numpy(),
        )
        for name, shift in SHIFTS.items()
        if shift.kind != "class mix"
    ]


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return max(0.0, float(first @ second) / length) if length else 0.0
