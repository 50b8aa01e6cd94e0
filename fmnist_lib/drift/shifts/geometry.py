"""Geometric shifts: rotation, translation, and one random affine map per image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import IMAGE_SHAPE

if TYPE_CHECKING:
    Rng = np.random.Generator

_CHUNK = 512


@dataclass(frozen=True)
class ImageShift:
    """One random affine map per image, drawn uniformly from ranges around the identity.

    Called with images, a severity (scales all ranges) and a random generator.

    Attributes
    ----------
    degrees : float
        Largest rotation in either direction.
    translation : float
        As a share of the image side.
    shear, zoom : float
    flip_horizontally, flip_vertically : bool
        Mirror every second image at random.

    References
    ----------
    Rabanser, Günnemann, Lipton, "Failing Loudly", NeurIPS 2019: small, medium and large image
    shift. They repeat the edge pixels outside the image; here the fill is black, the
    background of these images.
    """

    degrees: float
    translation: float
    shear: float
    zoom: float
    flip_horizontally: bool = False
    flip_vertically: bool = False

    def __call__(self, images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
        """Apply a random affine map to every image."""
        maps, offsets = self._draw(len(images), severity, rng)
        shifted = np.empty_like(images)
        for start in range(0, len(images), _CHUNK):
            part = slice(start, start + _CHUNK)
            shifted[part] = _resampled(images[part], maps[part], offsets[part])
        return shifted

    def _draw(self, n: int, severity: float, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """Inverse maps (target to source): matrices (n, 2, 2) and offsets (n, 2) in row, column."""
        angle, shear, zoom_y, zoom_x, offset_y, offset_x = rng.uniform(-1, 1, (6, n)) * severity
        angle = np.deg2rad(angle * self.degrees)
        rotate = _matrices(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
        skew = _matrices(1, shear * self.shear, 0, 1)
        flips = np.where(rng.random((2, n)) < severity / 2, -1, 1)
        flip_y = np.where(self.flip_vertically, flips[0], 1)
        flip_x = np.where(self.flip_horizontally, flips[1], 1)
        scale = _matrices(
            flip_y * (1 + zoom_y * self.zoom), 0, 0, flip_x * (1 + zoom_x * self.zoom)
        )
        offsets = np.stack([offset_y, offset_x], axis=1) * self.translation * IMAGE_SHAPE[0]
        return rotate @ skew @ scale, offsets


def rotation(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (one signature for every shift)
    """Rotate every image counter-clockwise around its centre; `severity` in degrees."""
    from scipy import ndimage

    return ndimage.rotate(images, severity, axes=(1, 2), reshape=False, order=1)


def translation(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Shift every image to the right by `severity` whole pixels; fill with black."""
    pixels = min(round(severity), images.shape[2])
    shifted = np.zeros_like(images)
    shifted[:, :, pixels:] = images[:, :, : images.shape[2] - pixels]
    return shifted


def _matrices(
    first: np.ndarray | float,
    second: np.ndarray | float,
    third: np.ndarray | float,
    fourth: np.ndarray | float,
) -> np.ndarray:
    entries = np.broadcast_arrays(first, second, third, fourth)
    return np.stack(entries, axis=-1).reshape(-1, 2, 2)


def _resampled(images: np.ndarray, maps: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Resample images by inverse affine maps with bilinear interpolation."""
    from scipy import ndimage

    centre = (np.array(IMAGE_SHAPE) - 1) / 2
    pixels = np.indices(IMAGE_SHAPE).reshape(2, -1) - centre[:, None]
    sources = maps @ pixels + (centre + offsets)[:, :, None]
    indices = np.broadcast_to(np.arange(len(images))[:, None], sources[:, 0].shape)
    coordinates = np.stack([indices, sources[:, 0], sources[:, 1]])
    values = ndimage.map_coordinates(images, coordinates, order=1, output=np.float32)
    return np.rint(values).reshape(images.shape).clip(0, 255).astype(np.uint8)
