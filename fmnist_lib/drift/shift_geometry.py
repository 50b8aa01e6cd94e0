"""Changes of place: rotation, translation, and random affine maps image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.labels import IMAGE_SHAPE

if TYPE_CHECKING:
    Rng = np.random.Generator

_CHUNK = 512


@dataclass(frozen=True)
class ImageShift:
    """Random affine maps, each image its own, drawn evenly from ranges around no change.

    Called with images, a severity (a factor of all ranges) and a random generator.

    Attributes
    ----------
    degrees : float
        Rotation, either way.
    translation : float
        As a share of the side.
    shear, zoom : float
    flip_horizontally, flip_vertically : bool
        Mirror every second image at random.

    References
    ----------
    Rabanser, Günnemann, Lipton, "Failing Loudly", NeurIPS 2019: small, medium and large image
    shift. There the edge is repeated where an image is moved away; here it is black, as the
    ground of these images is.
    """

    degrees: float
    translation: float
    shear: float
    zoom: float
    flip_horizontally: bool = False
    flip_vertically: bool = False

    def __call__(self, images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
        """Move every image in its own way."""
        maps, moves = self._draw(len(images), severity, rng)
        shifted = np.empty_like(images)
        for start in range(0, len(images), _CHUNK):
            part = slice(start, start + _CHUNK)
            shifted[part] = _resampled(images[part], maps[part], moves[part])
        return shifted

    def _draw(self, n: int, severity: float, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """Maps from new to old places: matrices (n, 2, 2) and moves (n, 2), rows first."""
        angle, shear, zoom_y, zoom_x, move_y, move_x = rng.uniform(-1, 1, (6, n)) * severity
        angle = np.deg2rad(angle * self.degrees)
        turn = _matrices(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
        slant = _matrices(1, shear * self.shear, 0, 1)
        flips = np.where(rng.random((2, n)) < severity / 2, -1, 1)
        up = np.where(self.flip_vertically, flips[0], 1)
        aside = np.where(self.flip_horizontally, flips[1], 1)
        stretch = _matrices(up * (1 + zoom_y * self.zoom), 0, 0, aside * (1 + zoom_x * self.zoom))
        moves = np.stack([move_y, move_x], axis=1) * self.translation * IMAGE_SHAPE[0]
        return turn @ slant @ stretch, moves


def rotation(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (one signature for every shift)
    """Turn every image counter-clockwise around its centre; `severity` in degrees."""
    from scipy import ndimage

    return ndimage.rotate(images, severity, axes=(1, 2), reshape=False, order=1)


def translation(images: np.ndarray, severity: float, rng: Rng) -> np.ndarray:  # noqa: ARG001 (as above)
    """Move every image to the right; `severity` in whole pixels, black fills the edge."""
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


def _resampled(images: np.ndarray, maps: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Take every pixel from where its map says, between four old pixels (bilinear)."""
    from scipy import ndimage

    centre = (np.array(IMAGE_SHAPE) - 1) / 2
    places = np.indices(IMAGE_SHAPE).reshape(2, -1) - centre[:, None]
    sources = maps @ places + (centre + moves)[:, :, None]
    numbers = np.broadcast_to(np.arange(len(images))[:, None], sources[:, 0].shape)
    coordinates = np.stack([numbers, sources[:, 0], sources[:, 1]])
    values = ndimage.map_coordinates(images, coordinates, order=1, output=np.float32)
    return np.rint(values).reshape(images.shape).clip(0, 255).astype(np.uint8)
