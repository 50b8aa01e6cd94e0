"""Interpretable features of a garment image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    import pandas as pd

#: Description of each column of `named_features`, in column order.
FEATURES: dict[str, str] = {
    "mean_ink": "mean of all pixels, 0-255",
    "ink_spread": "standard deviation of all pixels",
    "blank_share": "share of pixels that are exactly 0",
    "saturated_share": "share of pixels at 250 or above",
    "grey_entropy": "entropy of the 256 grey levels, in bits (0-8)",
    "box_top": "empty rows above the garment",
    "box_left": "empty columns left of the garment",
    "box_width": "width of the garment in pixels",
    "box_height": "height of the garment in pixels",
    "aspect_ratio": "height of the garment over its width",
    "centre_x": "centre of the ink, in columns from the left (0-27)",
    "centre_y": "centre of the ink, in rows from the top (0-27)",
    "top_ink": "share of the ink in the upper 9 rows",
    "middle_ink": "share of the ink in the middle 10 rows",
    "bottom_ink": "share of the ink in the lower 9 rows",
    "left_right_symmetry": "1 when the image equals its mirror image, 0 when they share no ink",
    "top_bottom_symmetry": "1 when the image equals itself upside down, 0 when they share no ink",
    "horizontal_edges": "mean difference between pixels one above the other: seams, stripes, soles",
    "vertical_edges": "mean difference between pixels side by side: sleeves, legs, straps",
    "edge_density": "share of pixels whose brightness changes by more than 50 to a neighbour",
    "waist_width": "garment pixels in the four middle rows, as a mean for a row",
    "gap_share": "share of pixels that are empty between garment pixels of the same row",
    "pieces_per_row": "separate pieces in a row of the garment: 1 for a dress, 2 for two legs",
}

#: Lowest pixel value that counts as ink: many images have faint noise around the garment.
_INK = 16
_SATURATED = 250
_EDGE = 50
_CHUNK = 512
_THIRDS = (slice(0, 9), slice(9, 19), slice(19, 28))
_WAIST = slice(12, 16)


def named_features(images: Any) -> pd.DataFrame:
    """Compute interpretable features of every image.

    Parameters
    ----------
    images : array-like of shape (n, 28, 28) or (n, 784)
        Pixels, uint8 in 0..255.

    Returns
    -------
    DataFrame of shape (n, 23)
        float32, one row per image, columns as in `FEATURES`; every value is finite. An image
        without ink has a bounding box of size 0, its centre in the middle and symmetry 1.

    Raises
    ------
    DataError
        The images are not 28 x 28, or a value is outside 0..255.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((1, 28, 28), dtype=np.uint8)
    >>> image[0, 4:24, 9:19] = 200
    >>> named_features(image)[["box_top", "box_width", "aspect_ratio"]].iloc[0].tolist()
    [4.0, 10.0, 2.0]
    """
    import pandas as pd

    images = as_images(images)
    values = np.empty((len(images), len(FEATURES)), dtype=np.float32)
    for start in range(0, len(images), _CHUNK):
        columns = _measure(images[start : start + _CHUNK])
        values[start : start + _CHUNK] = np.stack([columns[name] for name in FEATURES], axis=1)
    return pd.DataFrame(values, columns=list(FEATURES))


def _measure(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return all columns of one chunk."""
    pixels = images.astype(np.float32)
    inked = images >= _INK
    return {
        **_brightness(images, pixels),
        **_box(inked),
        **_balance(pixels),
        **_edges(pixels),
        **_pieces(inked),
    }


def _brightness(images: np.ndarray, pixels: np.ndarray) -> dict[str, np.ndarray]:
    levels = images.reshape(len(images), -1) + 256 * np.arange(len(images))[:, None]
    counts = np.bincount(levels.ravel(), minlength=256 * len(images)).reshape(-1, 256)
    share = counts / N_PIXELS
    return {
        "mean_ink": pixels.mean(axis=(1, 2)),
        "ink_spread": pixels.std(axis=(1, 2)),
        "blank_share": share[:, 0],
        "saturated_share": share[:, _SATURATED:].sum(axis=1),
        "grey_entropy": (share * np.log2(N_PIXELS / np.maximum(counts, 1))).sum(axis=1),
    }


def _box(inked: np.ndarray) -> dict[str, np.ndarray]:
    top, height = _extent(inked.max(axis=2))
    left, width = _extent(inked.max(axis=1))
    return {
        "box_top": top,
        "box_left": left,
        "box_width": width,
        "box_height": height,
        "aspect_ratio": height / np.maximum(width, 1),
    }


def _extent(occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, per row, the first occupied position and the extent; 0 and 0 if none is occupied."""
    first = occupied.argmax(axis=1)
    last = occupied.shape[1] - occupied[:, ::-1].argmax(axis=1)
    return first, np.where(occupied.any(axis=1), last - first, 0)


def _balance(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return centre, vertical distribution and symmetry of the ink."""
    rows, columns = pixels.sum(axis=2), pixels.sum(axis=1)
    total = rows.sum(axis=1)
    safe = np.maximum(total, 1)
    top, middle, bottom = (rows[:, third].sum(axis=1) / safe for third in _THIRDS)
    return {
        "centre_x": _centre(columns, total),
        "centre_y": _centre(rows, total),
        "top_ink": top,
        "middle_ink": middle,
        "bottom_ink": bottom,
        "left_right_symmetry": 1 - np.abs(pixels - pixels[:, :, ::-1]).sum(axis=(1, 2)) / safe / 2,
        "top_bottom_symmetry": 1 - np.abs(pixels - pixels[:, ::-1]).sum(axis=(1, 2)) / safe / 2,
    }


def _centre(profile: np.ndarray, total: np.ndarray) -> np.ndarray:
    positions = np.arange(profile.shape[1], dtype=np.float32)
    return np.where(total > 0, profile @ positions / np.maximum(total, 1), positions.mean())


def _edges(pixels: np.ndarray) -> dict[str, np.ndarray]:
    down = np.abs(np.diff(pixels, axis=1))
    across = np.abs(np.diff(pixels, axis=2))
    side = IMAGE_SHAPE[0] - 1
    strongest = np.maximum(down[:, :, :side], across[:, :side])
    return {
        "horizontal_edges": down.mean(axis=(1, 2)),
        "vertical_edges": across.mean(axis=(1, 2)),
        "edge_density": (strongest > _EDGE).mean(axis=(1, 2)),
    }


def _pieces(inked: np.ndarray) -> dict[str, np.ndarray]:
    starts = inked.copy()
    starts[:, :, 1:] &= ~inked[:, :, :-1]
    garment_rows = inked.any(axis=2).sum(axis=1)
    seen_left = np.logical_or.accumulate(inked, axis=2)
    seen_right = np.logical_or.accumulate(inked[:, :, ::-1], axis=2)[:, :, ::-1]
    return {
        "waist_width": inked[:, _WAIST].sum(axis=2).mean(axis=1),
        "gap_share": (seen_left & seen_right & ~inked).mean(axis=(1, 2)),
        "pieces_per_row": starts.sum(axis=(1, 2)) / np.maximum(garment_rows, 1),
    }
