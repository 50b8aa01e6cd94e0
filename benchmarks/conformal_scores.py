"""Scores of prediction sets compared on out-of-fold probabilities; no test image is used.

`conformal.py --choose` calibrates on a random half of the training images and measures on the
other half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEED = 0


def compared_sets(
    probabilities: np.ndarray, labels: np.ndarray, levels: Sequence[float]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, sets of shape (n_levels, n, 10) and labels of one half, for every score.

    Parameters
    ----------
    probabilities : ndarray of shape (n, 10)
        Out of fold.
    labels : ndarray of int, shape (n,)
    levels : sequence of float
    """
    half = np.random.default_rng(SEED).random(len(labels)) < 1 / 2
    for name, score in SCORES.items():
        scores = score(probabilities.astype(np.float64))
        for per_class in (False, True):
            limits = _limits(scores[half], labels[half], levels, per_class=per_class)
            kind = "per class" if per_class else "for all classes"
            sets = scores[~half][None] <= limits[:, None]
            yield f"{name}, threshold {kind}", sets, labels[~half]


def _limits(
    scores: np.ndarray, labels: np.ndarray, levels: Sequence[float], *, per_class: bool
) -> np.ndarray:
    """Return the highest score within a set, shape (n_levels, 10)."""
    own = scores[np.arange(len(labels)), labels]
    groups = [own[labels == label] for label in range(10)] if per_class else [own] * 10
    return np.array([[_quantile(group, level) for group in groups] for level in levels])


def _quantile(scores: np.ndarray, level: float) -> float:
    rank = int(np.ceil(np.round((len(scores) + 1) * level, 6)))
    return np.inf if rank > len(scores) else float(np.partition(scores, rank - 1)[rank - 1])


def _adaptive(probabilities: np.ndarray, penalty: float, *, with_own: bool) -> np.ndarray:
    """Return the cumulative probability down to each class, with or without the class's own.

    Romano, Sesia and Candes 2020 (APS); Angelopoulos, Bates, Malik and Jordan 2021 (RAPS, here
    with a penalty from the third class on).
    """
    order = np.argsort(-probabilities, axis=1)
    ranked = np.take_along_axis(probabilities, order, axis=1)
    total = np.cumsum(ranked, axis=1) - (0 if with_own else ranked)
    total += penalty * np.maximum(np.arange(1, 11) - 2, 0)
    scores = np.empty_like(total)
    np.put_along_axis(scores, order, total, axis=1)
    return scores


SCORES = {
    "lac": lambda probabilities: 1 - probabilities,
    "aps": lambda probabilities: _adaptive(probabilities, 0, with_own=True),
    "aps, own probability left out": lambda probabilities: _adaptive(
        probabilities, 0, with_own=False
    ),
    "raps 0.01": lambda probabilities: _adaptive(probabilities, 0.01, with_own=True),
    "raps 0.1": lambda probabilities: _adaptive(probabilities, 0.1, with_own=True),
    "raps 0.01, own probability left out": lambda probabilities: _adaptive(
        probabilities, 0.01, with_own=False
    ),
}
