"""Faithfulness of maps: hide, or show, the pixels that they rank first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import IMAGE_SHAPE, N_CLASSES, N_PIXELS
from fmnist_lib.common.statistics import Estimate, t_interval
from fmnist_lib.explain.owen import predict_chunks

if TYPE_CHECKING:
    from collections.abc import Callable

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
#: Random orders, and random displacements of the map, per image.
_REPEATS = 3


@dataclass(frozen=True)
class Advantage:
    """Change of the probability beyond that of a control; above 0 if the map is better.

    Attributes
    ----------
    difference : Estimate
        Mean over the images, with its 95 % t interval of paired differences.
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
class Curves:
    """Probability of the predicted class as more and more pixels are hidden, or shown.

    Attributes
    ----------
    ranked : ndarray of shape (n, n_fractions)
        With the pixels hidden (shown) that most support the predicted class.
    random : ndarray of shape (n, n_fractions)
        With random pixels, mean of three choices.
    displaced : ndarray of shape (n, n_fractions)
        With the same pattern of pixels elsewhere in the image, mean of three positions.
    exchanged : ndarray of shape (n, n_fractions)
        With the pixels that the map of another image ranks first.
    over_random, over_displaced, over_exchanged : Advantage
    by_class : tuple of (Estimate or None), one per class
        Advantage over the better of random and displaced pixels; None with fewer than two images.
    """

    ranked: np.ndarray
    random: np.ndarray
    displaced: np.ndarray
    exchanged: np.ndarray
    over_random: Advantage
    over_displaced: Advantage
    over_exchanged: Advantage
    by_class: tuple[Estimate | None, ...]

    @property
    def passed(self) -> bool:
        """True if the map is better than all three controls."""
        controls = (self.over_random, self.over_displaced, self.over_exchanged)
        return all(one.is_positive for one in controls)

    @property
    def smallest(self) -> Estimate:
        """Return the advantage over the strongest control."""
        controls = (self.over_random, self.over_displaced, self.over_exchanged)
        return min((one.difference for one in controls), key=lambda one: one.low)


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion tests of the same maps.

    Attributes
    ----------
    fractions : tuple of float
        Share of the pixels hidden, or shown.
    original, hidden : ndarray of shape (n,)
        Probability of the predicted class with every pixel shown, and with none.
    deletion, insertion : Curves
    """

    fractions: tuple[float, ...]
    original: np.ndarray
    hidden: np.ndarray
    deletion: Curves
    insertion: Curves

    @property
    def classes_ahead(self) -> tuple[int, int]:
        """Classes whose maps are better than the controls in both tests, and classes tested."""
        both = zip(self.deletion.by_class, self.insertion.by_class, strict=True)
        tested = [(one.value, other.value) for one, other in both if one and other]
        return sum(min(values) > 0 for values in tested), len(tested)


def faithfulness_test(  # noqa: PLR0917 (a model, what to test, and how)
    predict_proba: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    maps: np.ndarray,
    labels: np.ndarray,
    hidden: np.ndarray,
    seed: int,
) -> Faithfulness:
    """Hide the highest pixels of each map, and show only them; compare with three controls.

    The displaced map is the stricter control for maps made of whole regions: a compact hole
    may lower the probability more than scattered pixels at any position. The map of another
    image is that of an image half the sample away, of another class if images are ordered.

    Parameters
    ----------
    predict_proba : callable
        uint8 images (n, 28, 28) to probabilities (n, 10).
    images : ndarray of shape (n, 28, 28), uint8
    maps : ndarray of shape (n, 28, 28)
        Support of every pixel for the predicted class.
    labels : ndarray of shape (n,)
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
    BMVC 2018 (deletion and insertion).
    """
    if images.shape != maps.shape or len(images) < 2:  # noqa: PLR2004 (a t interval needs two)
        raise DataError(
            f"faithfulness test: expected two or more images and a map for each, got images "
            f"{images.shape} and maps {maps.shape}. Explain more images."
        )
    rng = np.random.default_rng(seed)
    outputs = predict_chunks(predict_proba, np.concatenate([images, hidden[None]]))
    predicted = outputs[:-1].argmax(axis=1)
    every = np.arange(len(images))

    def remaining(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities after hiding the highest scores, and after showing only them."""
        ranks = _ranks(scores, rng)
        counts = [round(fraction * N_PIXELS) for fraction in FRACTIONS]
        without = [np.where(ranks < count, hidden, images) for count in counts]
        only = [np.where(ranks < count, images, hidden) for count in counts]
        masked = np.stack([*without, *only], axis=1)
        found = predict_chunks(predict_proba, masked.reshape(-1, *IMAGE_SHAPE))
        by_image = found.reshape(*masked.shape[:2], -1)[every, :, predicted]
        return by_image[:, : len(counts)], by_image[:, len(counts) :]

    ranked = remaining(maps)
    random = np.mean([remaining(rng.random(maps.shape)) for _ in range(_REPEATS)], axis=0)
    displaced = np.mean([remaining(_displace(maps, rng)) for _ in range(_REPEATS)], axis=0)
    exchanged = remaining(np.roll(maps, max(1, len(maps) // 2), axis=0))
    deletion, insertion = (
        _curves(ranked[i], random[i], displaced[i], exchanged[i], labels, sign=sign)
        for i, sign in enumerate((-1, 1))
    )
    return Faithfulness(
        FRACTIONS, outputs[every, predicted], outputs[-1, predicted], deletion, insertion
    )


def _curves(
    ranked: np.ndarray,
    random: np.ndarray,
    displaced: np.ndarray,
    exchanged: np.ndarray,
    labels: np.ndarray,
    *,
    sign: int,
) -> Curves:
    gain = {
        name: sign * (ranked - control).mean(axis=1)
        for name, control in (("random", random), ("displaced", displaced), ("other", exchanged))
    }
    worst = min((gain["random"], gain["displaced"]), key=lambda one: float(one.mean()))
    groups = [worst[labels == label] for label in range(N_CLASSES)]
    return Curves(
        ranked,
        random,
        displaced,
        exchanged,
        over_random=_advantage(gain["random"]),
        over_displaced=_advantage(gain["displaced"]),
        over_exchanged=_advantage(gain["other"]),
        by_class=tuple(t_interval(group) if len(group) > 1 else None for group in groups),
    )


def _ranks(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank of every pixel in its image, 0 for the highest score."""
    flat = scores.reshape(len(scores), -1)
    # Whole regions share one value: break ties at random, not in row-major order.
    order = np.lexsort((rng.random(flat.shape), -flat), axis=1)
    return np.asarray(order.argsort(axis=1).reshape(scores.shape))


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


def _advantage(by_image: np.ndarray) -> Advantage:
    return Advantage(t_interval(by_image), float((by_image > 0).mean()))
