"""Behaviour tests: how predictions should and should not change with an image.

Invariance: a change that keeps the garment keeps the class. Direction: a change of the feature
that defines a class moves its probability the expected way. Minimum function: unmistakable images
are correct, and an image without a garment does not crash the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.statistics import Estimate, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fmnist_lib.config.stress import StressConfig

    Predict = Callable[[np.ndarray], np.ndarray]
    Change = Callable[[np.ndarray], np.ndarray]

TROUSER, PULLOVER, COAT, ANKLE_BOOT = (
    CLASS_NAMES.index(name) for name in ("Trouser", "Pullover", "Coat", "Ankle boot")
)
#: Pixels from which an image counts as inked: many have faint noise around the garment.
_INK = 16
#: Columns of the body of a top: sleeves that hang down are on both sides of it.
_BODY = slice(8, 20)


@dataclass(frozen=True)
class Behaviour:
    """Result of one behaviour test.

    Attributes
    ----------
    kind : str
        "invariance", "direction" or "minimum function".
    name, expectation : str
        The change, and what should follow.
    n_images, n_passed : int
    rate : Estimate or None
        Pass rate with its Wilson interval; None without images.
    required : float
        Pass rate that is expected.
    """

    kind: str
    name: str
    expectation: str
    n_images: int
    n_passed: int
    rate: Estimate | None
    required: float

    @property
    def failed(self) -> bool:
        """True if the pass rate is below the required one; False without images."""
        return self.rate is not None and self.rate.value < self.required


def behaviour_tests(
    predict: Predict,
    images: np.ndarray,
    labels: np.ndarray,
    config: StressConfig,
    *,
    sample: np.ndarray,
    typical: np.ndarray,
    confidence: float,
) -> tuple[Behaviour, ...]:
    """Run all behaviour tests.

    Parameters
    ----------
    predict : callable
        Takes uint8 images (n, 28, 28) and returns probabilities (n, 10).
    images : ndarray of shape (n, 28, 28), uint8
        Images that the model was not fitted on.
    labels : ndarray of int, shape (n,)
    config : StressConfig
    sample, typical : ndarray of int
        Rows for the invariance tests, and of unmistakable images.
    confidence : float in (0, 1)

    References
    ----------
    Ribeiro, Wu, Guestrin and Singh, "Beyond Accuracy: Behavioral Testing of NLP Models with
    CheckList", ACL 2020: minimum functionality, invariance and directional expectation tests.
    """

    def result(kind: str, name: str, expectation: str, passed: np.ndarray) -> Behaviour:
        n, n_passed = len(passed), int(passed.sum())
        rate = wilson(n_passed, n, confidence) if n else None
        required = 1.0 if kind == "minimum function" else config.pass_rate
        return Behaviour(kind, name, expectation, n, n_passed, rate, required)

    return (
        *(result("invariance", *one) for one in _invariance(predict, images[sample])),
        *(
            result("direction", *one)
            for one in _direction(predict, images, labels, config.images_per_class)
        ),
        result(
            "minimum function",
            "unmistakable images",
            "predicted correctly",
            _classes(predict, images[typical]) == labels[typical],
        ),
        result(
            "minimum function",
            "an all-black and an all-white image",
            "finite probabilities that add up to 1, no error",
            _blank_images(predict),
        ),
    )


def shifted_by(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move images by whole pixels; the margin is filled with black.

    Examples
    --------
    >>> shifted_by(np.array([[[1, 2], [3, 4]]]), 0, 1).tolist()
    [[[0, 1], [0, 3]]]
    """
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (abs(down),) * 2, (abs(right),) * 2))
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top : top + height, left : left + width]


def scaled(images: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the brightness, clipped at white."""
    return np.rint(images * np.float32(factor)).clip(0, 255).astype(np.uint8)


def without_sleeves(images: np.ndarray) -> np.ndarray:
    """Erase all columns but the twelve in the middle, where the body of a top is."""
    erased = np.zeros_like(images)
    erased[:, :, _BODY] = images[:, :, _BODY]
    return erased


def with_filled_gaps(images: np.ndarray) -> np.ndarray:
    """Fill the gap between the legs: empty pixels between inked ones of a row get its mean ink."""
    inked = images >= _INK
    left = np.logical_or.accumulate(inked, axis=2)
    right = np.logical_or.accumulate(inked[:, :, ::-1], axis=2)[:, :, ::-1]
    total = np.where(inked, images, 0).sum(axis=2, keepdims=True)
    mean = total / np.maximum(inked.sum(axis=2, keepdims=True), 1)
    return np.where(left & right & ~inked, np.rint(mean).astype(np.uint8), images)


def without_upper_half(images: np.ndarray) -> np.ndarray:
    """Erase the upper half of the garment's rows: of a boot the shaft."""
    rows = (images >= _INK).max(axis=2)
    first = rows.argmax(axis=1)
    last = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    middle = np.expand_dims((first + last) // 2, axis=1)
    below = np.expand_dims(np.arange(rows.shape[1]) >= middle, axis=2)
    return np.where(below, images, np.uint8(0))


def _classes(predict: Predict, images: np.ndarray) -> np.ndarray:
    return predict(images).argmax(axis=1) if len(images) else np.zeros(0, dtype=int)


def _invariance(predict: Predict, images: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    changes: dict[str, Change] = {
        "one pixel up": lambda one: shifted_by(one, -1, 0),
        "one pixel down": lambda one: shifted_by(one, 1, 0),
        "one pixel left": lambda one: shifted_by(one, 0, -1),
        "one pixel right": lambda one: shifted_by(one, 0, 1),
        "mirrored": lambda one: one[:, :, ::-1],
        "10 % darker": lambda one: scaled(one, 0.9),
        "10 % brighter": lambda one: scaled(one, 1.1),
    }
    before = _classes(predict, images)
    for name, change in changes.items():
        yield name, "same class", _classes(predict, np.ascontiguousarray(change(images))) == before


def _direction(
    predict: Predict, images: np.ndarray, labels: np.ndarray, n_per_class: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield the tests; a pass lowers the probability of the classes, by however little."""
    tests: tuple[tuple[str, str, tuple[int, ...], Change], ...] = (
        (
            "sleeves of pullovers and coats erased",
            "less likely a pullover or a coat",
            (PULLOVER, COAT),
            without_sleeves,
        ),
        (
            "gap between trouser legs filled",
            "less likely a trouser",
            (TROUSER,),
            with_filled_gaps,
        ),
        (
            "shaft of ankle boots erased",
            "less likely an ankle boot",
            (ANKLE_BOOT,),
            without_upper_half,
        ),
    )
    for name, expectation, classes, change in tests:
        rows = np.concatenate([np.flatnonzero(labels == label)[:n_per_class] for label in classes])
        changed = change(images[rows])
        altered = (changed != images[rows]).any(axis=(1, 2))
        before, after = images[rows][altered], changed[altered]
        if not len(before):
            yield name, expectation, np.zeros(0, dtype=bool)
            continue
        moved = (predict(after) - predict(before))[:, list(classes)].sum(axis=1)
        yield name, expectation, np.asarray(moved < 0)


def _blank_images(predict: Predict) -> np.ndarray:
    passed = []
    for level in (0, 255):
        image = np.full((1, 28, 28), level, dtype=np.uint8)
        try:
            found = predict(image)
        except Exception:  # noqa: BLE001 (whatever a model raises is a failure of this test)
            passed.append(False)
        else:
            passed.append(bool(np.isfinite(found).all() and abs(float(found.sum()) - 1) < 1e-3))  # noqa: PLR2004 (rounding of float32)
    return np.array(passed)
