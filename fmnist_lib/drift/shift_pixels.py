"""Changes of grey levels: noise, brightness, contrast, blur, occlusion.

Each takes uint8 images (n, 28, 28), a severity of which 0 changes nothing, and a random generator,
and returns new uint8 images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    Rng = np.random.Generator

#: Images changed at once, so that float32 values stay small.
_CHUNK = 1024
_MIDDLE = 127.5


def gaussian_noise(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Add independent noise to every pixel; `severity` is its standard deviation (grey levels)."""
    shifted = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        noise = rng.standard_normal(chunk.shape, dtype=np.float32) * np.float32(severity)
        shifted[start : start + _CHUNK] = np.clip(np.rint(chunk + noise), 0, 255)
    return shifted


def salt_and_pepper(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Make a share `severity` of the pixels black or white, each half of the time."""
    shifted = images.copy()
    for start in range(0, len(images), _CHUNK):
        chunk = shifted[start : start + _CHUNK]
        chance = rng.random(chunk.shape, dtype=np.float32)
        chunk[chance < severity / 2] = 0
        chunk[chance > 1 - severity / 2] = 255
    return shifted


def darker(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (one signature for every shift)
    """Take brightness away; `severity` is the share of it, 0 to 1."""
    return _by_level(images, np.arange(256) * (1 - severity))


def brighter(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Add brightness: a share `severity` of it, cut off at white."""
    return _by_level(images, np.arange(256) * (1 + severity))


def low_contrast(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Draw all levels towards middle grey, by a share `severity` of their distance from it."""
    return _by_level(images, _MIDDLE + (np.arange(256) - _MIDDLE) * (1 - severity))


def inverted(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Swap black and white; below 1, `severity` is how far each level goes on the way there."""
    levels = np.arange(256)
    return _by_level(images, levels + severity * (255 - 2 * levels))


def blur(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Blur by a Gaussian; `severity` is its standard deviation in pixels."""
    from scipy import ndimage

    blurred = ndimage.gaussian_filter(images, (0, severity, severity), output=np.float32)
    return np.rint(blurred).clip(0, 255).astype(np.uint8)


def occlusion(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Cover a square of black at a random place; `severity` is its side in whole pixels."""
    side = min(round(severity), images.shape[1])
    top, left = rng.integers(0, images.shape[1] - side + 1, (2, len(images), 1))
    place = np.arange(images.shape[1])
    rows, columns = ((place >= first) & (place < first + side) for first in (top, left))
    return np.where(rows[:, :, None] & columns[:, None, :], np.uint8(0), images)


def _by_level(images: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.rint(levels).clip(0, 255).astype(np.uint8)[images]
