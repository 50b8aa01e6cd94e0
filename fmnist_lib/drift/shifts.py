"""Simulated shifts of a batch of images, each with a severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.labels import CLASS_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.config import ShiftName

#: The class that `class_knockout` removes.
_KNOCKED_OUT = 0
#: Noise is made for as many images at once, so that its float32 values stay small.
_CHUNK = 1024


@dataclass(frozen=True)
class Shift:
    """A way in which images can change.

    Attributes
    ----------
    kind : str
        What it looks like: "noise", "geometry", "intensity", "class mix", ...
    severity : float
        Strength used when none is asked for.
    text : str
        What happens, with ``{severity}`` to be filled in.
    apply : callable
        ``(images, classes, severity, rng) -> images``: uint8 in, uint8 out.
    """

    kind: str
    severity: float
    text: str
    apply: Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]

    def describe(self, severity: float) -> str:
        """What happens at this severity, in words."""
        return self.text.format(severity=severity)


def gaussian_noise(
    images: np.ndarray,
    classes: np.ndarray,  # noqa: ARG001 (one signature for every shift)
    severity: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add independent noise to every pixel; `severity` is its standard deviation (grey levels)."""
    shifted = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        noise = rng.standard_normal(chunk.shape, dtype=np.float32) * np.float32(severity)
        shifted[start : start + _CHUNK] = np.clip(np.rint(chunk + noise), 0, 255)
    return shifted


def rotation(
    images: np.ndarray,
    classes: np.ndarray,  # noqa: ARG001 (one signature for every shift)
    severity: float,
    rng: np.random.Generator,  # noqa: ARG001 (one signature for every shift)
) -> np.ndarray:
    """Turn every image counter-clockwise around its centre; `severity` in degrees."""
    from scipy import ndimage

    return ndimage.rotate(images, severity, axes=(1, 2), reshape=False, order=1)


def translation(
    images: np.ndarray,
    classes: np.ndarray,  # noqa: ARG001 (one signature for every shift)
    severity: float,
    rng: np.random.Generator,  # noqa: ARG001 (one signature for every shift)
) -> np.ndarray:
    """Move every image to the right; `severity` in whole pixels, black fills the edge."""
    pixels = min(round(severity), images.shape[2])
    shifted = np.zeros_like(images)
    shifted[:, :, pixels:] = images[:, :, : images.shape[2] - pixels]
    return shifted


def darker(
    images: np.ndarray,
    classes: np.ndarray,  # noqa: ARG001 (one signature for every shift)
    severity: float,
    rng: np.random.Generator,  # noqa: ARG001 (one signature for every shift)
) -> np.ndarray:
    """Take brightness away; `severity` is the share of it, 0 to 1."""
    levels = np.rint(np.arange(256) * (1 - severity)).astype(np.uint8)
    return levels[images]


def class_knockout(
    images: np.ndarray, classes: np.ndarray, severity: float, rng: np.random.Generator
) -> np.ndarray:
    """Leave out a random share `severity` of one class; the other images stay as they are."""
    rows = np.flatnonzero(classes == _KNOCKED_OUT)
    removed = rng.permutation(rows)[: round(severity * len(rows))]
    return np.delete(images, removed, axis=0)


SHIFTS: dict[ShiftName, Shift] = {
    "gaussian_noise": Shift(
        "noise", 10.0, "noise, standard deviation {severity:g} of 255", gaussian_noise
    ),
    "rotation": Shift("geometry", 5.0, "turned by {severity:g} degrees", rotation),
    "translation": Shift("geometry", 1.0, "moved {severity:g} px to the right", translation),
    "darker": Shift("intensity", 0.1, "{severity:.0%} darker", darker),
    "class_knockout": Shift(
        "class mix", 0.5, f"{{severity:.0%}} of {CLASS_NAMES[_KNOCKED_OUT]} missing", class_knockout
    ),
}


def apply_shift(
    name: ShiftName,
    images: np.ndarray,
    classes: np.ndarray,
    seed: int,
    severity: float | None = None,
) -> np.ndarray:
    """Shift a batch of images.

    Parameters
    ----------
    name : str
        A key of `SHIFTS`.
    images : ndarray of shape (n, 28, 28), uint8
    classes : ndarray of shape (n,)
        True or predicted classes; only ``class_knockout`` looks at them.
    seed : int
    severity : float, optional
        Strength in the unit of the shift; absent: its default.

    Returns
    -------
    ndarray of shape (at most n, 28, 28), uint8
    """
    shift = SHIFTS[name]
    strength = shift.severity if severity is None else severity
    return shift.apply(images, classes, strength, np.random.default_rng(seed))
