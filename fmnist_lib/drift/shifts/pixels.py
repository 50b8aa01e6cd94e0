"""Intensity shifts: noise, brightness, contrast, blur, occlusion.

Each takes uint8 images (n, 28, 28), a severity (0 changes nothing) and a random generator, and
returns new uint8 images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    Rng = np.random.Generator

#: Images per chunk; bounds the memory of the float32 copies.
_CHUNK = 1024
_MIDDLE_GREY = 127.5


def gaussian_noise(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Add independent noise to every pixel; `severity` is its standard deviation (grey levels)."""
    shifted = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        noise = rng.standard_normal(chunk.shape, dtype=np.float32) * np.float32(severity)
        shifted[start : start + _CHUNK] = np.clip(np.rint(chunk + noise), 0, 255)
    return shifted


def salt_and_pepper(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Set a share `severity` of the pixels to black or white with equal probability."""
    shifted = images.copy()
    for start in range(0, len(images), _CHUNK):
        chunk = shifted[start : start + _CHUNK]
        uniform = rng.random(chunk.shape, dtype=np.float32)
        chunk[uniform < severity / 2] = 0
        chunk[uniform > 1 - severity / 2] = 255
    return shifted


def darker(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (one signature for every shift)
    """Reduce brightness by a share `severity`, 0 to 1."""
    return _by_level(images, np.arange(256) * (1 - severity))


def brighter(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Increase brightness by a share `severity`, clipped at white."""
    return _by_level(images, np.arange(256) * (1 + severity))


def low_contrast(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Move all levels towards middle grey by a share `severity` of their distance from it."""
    return _by_level(images, _MIDDLE_GREY + (np.arange(256) - _MIDDLE_GREY) * (1 - severity))


def inverted(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Invert grey levels; a `severity` below 1 interpolates linearly."""
    levels = np.arange(256)
    return _by_level(images, levels + severity * (255 - 2 * levels))


def blur(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Gaussian blur; `severity` is the standard deviation in pixels."""
    from scipy import ndimage

    blurred = ndimage.gaussian_filter(images, (0, severity, severity), output=np.float32)
    return np.rint(blurred).clip(0, 255).astype(np.uint8)


def occlusion(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Black out a square at a random position; `severity` is its side in whole pixels."""
    side = min(round(severity), images.shape[1])
    top, left = rng.integers(0, images.shape[1] - side + 1, (2, len(images), 1))
    position = np.arange(images.shape[1])
    rows, columns = ((position >= first) & (position < first + side) for first in (top, left))
    return np.where(rows[:, :, None] & columns[:, None, :], np.uint8(0), images)


def _by_level(images: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.rint(levels).clip(0, 255).astype(np.uint8)[images]
