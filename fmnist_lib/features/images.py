"""Validation of a batch of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS
from fmnist_lib.features.frames import frame_images


def as_images(X: Any) -> np.ndarray:
    """Return a batch as uint8 images of shape (n, 28, 28), without a copy where possible.

    Parameters
    ----------
    X : array-like of shape (n, 28, 28) or (n, 784)
        Integers within 0..255, of any dtype. Named columns (of pandas, polars, PyArrow, or a
        structured array) are aligned by name: see `frame_images`.

    Raises
    ------
    DataError
        The shape is wrong, a value is not an integer within 0..255, or the column names do not
        identify the pixels.
    """
    array = _array(X)
    if array.shape[1:] not in (IMAGE_SHAPE, (N_PIXELS,)):
        raise DataError(
            f"images: expected shape (n, 28, 28) or (n, 784), got {array.shape}. "
            "Reshape the batch; a single image is a batch of one: image[None]."
        )
    if array.dtype != np.uint8:
        array = _to_uint8(array)
    return array.reshape(-1, *IMAGE_SHAPE)


def _array(X: Any) -> np.ndarray:
    """Return an array; named columns are ordered by name, not by position."""
    if hasattr(X, "to_pandas") and (hasattr(X, "columns") or hasattr(X, "column_names")):
        X = X.to_pandas()
    if getattr(getattr(X, "dtype", None), "names", None):
        X = _frame(X)
    return frame_images(X) if hasattr(X, "iloc") and hasattr(X, "columns") else np.asarray(X)


def _frame(structured: np.ndarray) -> Any:
    """Return a structured array as a frame."""
    import pandas as pd

    try:
        return pd.DataFrame(structured)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"images: expected one row of named numbers per image, got a structured array of shape "
            f"{structured.shape}: {error}. Save a plain array."
        ) from None


def _to_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iuf":
        raise DataError(f"images: expected numbers within 0..255, got dtype {array.dtype}.")
    if array.dtype.kind == "f" and array.size and not np.isfinite(array).all():
        row = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).argmax())
        raise DataError(
            "images: expected whole numbers within 0..255, got NaN, infinity or an empty cell, "
            f"first in row {row} (counted from 0). Fix or remove the image."
        )
    if array.size and not (array.min() >= 0 and array.max() <= 255):  # noqa: PLR2004 (uint8)
        raise DataError(
            f"images: expected values within 0..255, got {array.min()} to {array.max()}. "
            "Pass the raw pixels."
        )
    if array.dtype.kind == "f" and array.size and 0 < array.max() <= 1:
        raise DataError(
            "images: expected raw pixels within 0..255, got numbers within 0..1, as if divided by "
            "255. They are not rescaled automatically; if so, use numpy.rint(images * 255)."
        )
    converted = array.astype(np.uint8)
    if array.dtype.kind == "f" and not np.array_equal(converted, array):
        raise DataError(
            "images: expected whole numbers within 0..255, got fractions. "
            "Pass the raw pixels; scaling is part of the pipeline."
        )
    return converted
