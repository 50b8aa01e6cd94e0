"""Batches as a folder of PNG files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.errors import DataError
from fmnist_lib.labels import IMAGE_SHAPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_OTHER_PICTURES = {".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


def png_chunks(path: Path, rows: int) -> Iterator[tuple[Any, None]]:
    """Images of a folder, `rows` at a time, in order of the files' names."""
    files = _png_files(path)
    for start in range(0, len(files), rows):
        part = files[start : start + rows]
        yield np.stack([decode_png(file.read_bytes(), file.name) for file in part]), None


def decode_png(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return the pixels of one PNG.

    Parameters
    ----------
    content : bytes
        Of the file.
    name : str
        Of the file, for messages.

    Returns
    -------
    ndarray of uint8, shape (28, 28)

    Raises
    ------
    DataError
        It is no intact PNG, of another size, or not 8-bit greyscale.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            # Size and mode stand in the header: nothing is unpacked before they are right.
            height, width = IMAGE_SHAPE
            if image.size != (width, height) or image.mode != "L":
                raise DataError(
                    f"{name}: expected an 8-bit greyscale PNG of {width}x{height}, got mode "
                    f"{image.mode} and {image.size[0]}x{image.size[1]}. Convert it first."
                )
            return np.asarray(image)
    # Pillow raises SyntaxError for a broken chunk.
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{name}: expected an intact PNG file, got {len(content)} bytes that are none ({error})"
            ". Replace or remove it."
        ) from None


def _png_files(path: Path) -> list[Path]:
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    others = [file.name for file in files if file.suffix.lower() in _OTHER_PICTURES]
    if others:
        raise DataError(
            f"{path}: expected PNG files only, got {others[0]} ({len(others)} files of other "
            "kinds of picture). Convert or remove them."
        )
    found = [file for file in files if file.suffix.lower() == ".png"]
    if not found:
        raise DataError(f"{path}: expected a folder of PNG files, found none. Check the path.")
    return found
