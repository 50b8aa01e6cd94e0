"""Deletion test: check an explanation by hiding the pixels it ranks as important."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS
from fmnist_lib.common.statistics import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)
#: Random orders, and random displacements of the map, per image.
_REPEATS = 5
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Advantage:
    """Drop of probability beyond that of a control.

    Attributes
    ----------
    difference : Estimate
        Mean over the images, with its 95 % t interval.
    share : float
        Share of the images for which it is positive.
    """

    difference: Estimate
    share: float

    @property
    def is_positive(self) -> bool:
        """True if the whole interval lies above zero."""
        return self.difference.low > 0


@dataclass(frozen=True)
class DeletionTest:
    """Probability of the predicted class as more and more pixels are hidden.

    Attributes
    ----------
    fractions : tuple of float
        Share of the pixels hidden.
    original : ndarray of shape (n,)
        Probability with every pixel shown.
    important : ndarray of shape (n, n_fractions)
        With the pixels hidden that most support the predicted class.
    random : ndarray of shape (n, n_fractions)
        With randomly chosen pixels hidden, mean of five choices.
    displaced : ndarray of shape (n, n_fractions)
        With the same pattern of pixels hidden elsewhere in the image, mean of five positions.
    """

    fractions: tuple[float, ...]
    original: np.ndarray
    important: np.ndarray
    random: np.ndarray
    displaced: np.ndarray
    over_random: Advantage
    over_displaced: Advantage

    @property
    def passed(self) -> bool:
        """True if important pixels matter more than random ones and than the displaced map."""
        return self.over_random.is_positive and self.over_displaced.is_positive

    @property
    def verdict(self) -> str:
        """Return the result as a sentence."""
        if self.passed:
            return (
                "The explanation can be trusted to rank pixels: hiding the ones it ranks as "
                "important lowers the predicted probability more than hiding others."
            )
        return (
            "Do not rely on these maps: hiding the pixels they rank as important does not "
            "significantly lower the predicted probability more than hiding others."
        )


def deletion_test(
    predict_proba: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    maps: np.ndarray,
    hidden: np.ndarray,
    seed: int,
) -> DeletionTest:
    """Hide important pixels, random ones, and the same pattern elsewhere.

    The displaced map is the stricter control for maps made of whole regions: a compact hole
    may lower the probability more than scattered pixels at any position.

    Parameters
    ----------
    predict_proba : callable
        uint8 images (n, 28, 28) to probabilities (n, 10).
    images : ndarray of shape (n, 28, 28), uint8
    maps : ndarray of shape (n, 28, 28)
        Support of every pixel for the predicted class.
    hidden : ndarray of shape (28, 28), uint8
        Values of hidden pixels.
    seed : int

    Raises
    ------
    DataError
        Fewer than two images, or maps of another shape.

    References
    ----------
    Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
    BMVC 2018 (the deletion metric).
    """
    if images.shape != maps.shape or len(images) < 2:  # noqa: PLR2004 (a t interval needs two)
        raise DataError(
            f"deletion test: expected two or more images and a map for each, got images "
            f"{images.shape} and maps {maps.shape}. Explain more images."
        )
    rng = np.random.default_rng(seed)
    original = predict_proba(images)
    predicted = original.argmax(axis=1)

    def remaining(scores: np.ndarray) -> np.ndarray:
        masked = _mask(images, scores, hidden, rng)
        probabilities = predict_proba(masked.reshape(-1, *IMAGE_SHAPE))
        by_image = probabilities.reshape(*masked.shape[:2], -1)
        return by_image[np.arange(len(images)), :, predicted]

    important = remaining(maps)
    random = np.mean([remaining(rng.random(maps.shape)) for _ in range(_REPEATS)], axis=0)
    displaced = np.mean([remaining(_displace(maps, rng)) for _ in range(_REPEATS)], axis=0)
    return DeletionTest(
        fractions=FRACTIONS,
        original=original[np.arange(len(images)), predicted],
        important=important,
        random=random,
        displaced=displaced,
        over_random=_advantage(random - important),
        over_displaced=_advantage(displaced - important),
    )


def _mask(
    images: np.ndarray, scores: np.ndarray, hidden: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Images with their highest scores hidden, shape (n, n_fractions, 28, 28)."""
    flat = scores.reshape(len(scores), -1)
    # Whole regions share one value: break ties at random, not in row-major order.
    order = np.lexsort((rng.random(flat.shape), -flat), axis=1)
    ranks = order.argsort(axis=1).reshape(images.shape)
    counts = [round(fraction * N_PIXELS) for fraction in FRACTIONS]
    return np.stack([np.where(ranks < count, hidden, images) for count in counts], axis=1)


def _displace(maps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Roll every map by a quarter to three quarters of the image sides."""
    rows, columns = IMAGE_SHAPE
    moves = zip(
        rng.integers(rows // 4, 3 * rows // 4 + 1, len(maps)),
        rng.integers(columns // 4, 3 * columns // 4 + 1, len(maps)),
        strict=True,
    )
    moved = [np.roll(one, move, axis=(0, 1)) for one, move in zip(maps, moves, strict=True)]
    return np.stack(moved)


def _advantage(differences: np.ndarray) -> Advantage:
    from scipy import stats

    by_image = differences.mean(axis=1)
    mean = float(by_image.mean())
    margin = float(
        stats.t.ppf((1 + _CONFIDENCE) / 2, len(by_image) - 1) * stats.sem(by_image, ddof=1)
    )
    difference = Estimate(mean, mean - margin, mean + margin, _CONFIDENCE)
    return Advantage(difference, float((by_image > 0).mean()))
