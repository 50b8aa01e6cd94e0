"""Batches as a folder of PNG files."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.data.batch_part import Part
from fmnist_lib.errors import DataError
from fmnist_lib.features.frames import few
from fmnist_lib.labels import IMAGE_SHAPE
from fmnist_lib.natural_order import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_OTHER_PICTURES = {".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
#: Folders that macOS puts beside the files of an archive hold no pictures.
_IGNORED_FOLDERS = {"__MACOSX"}


def png_parts(path: Path, rows: int) -> Iterator[Part]:
    """Images of a folder with their file names, `rows` at a time, in natural order of the names."""
    files = _png_files(path)
    for start in range(0, len(files), rows):
        part = files[start : start + rows]
        images = np.stack([decode_png(_content(file), file.name) for file in part])
        yield Part(images, names=tuple(file.name for file in part))


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


def _content(file: Path) -> bytes:
    if not file.is_file():
        kind = "a folder" if file.is_dir() else "something else"
        found = "a link to nothing" if file.is_symlink() and not file.exists() else kind
        raise DataError(f"{file}: expected a PNG file, got {found}. Replace or remove it.")
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{file}: expected a readable PNG file, got: {error.strerror or error}. "
            "Check its permissions and the disk."
        ) from None


def _png_files(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    files = sorted((path / entry.name for entry in visible), key=_natural)
    others = [file.name for file in files if file.suffix.lower() in _OTHER_PICTURES]
    if others:
        raise DataError(
            f"{path}: expected PNG files only, got {others[0]} ({len(others)} files of other "
            "kinds of picture). Convert or remove them."
        )
    _refuse_folders(path, [entry.name for entry in visible if entry.is_dir()])
    found = [file for file in files if file.suffix.lower() == ".png"]
    if not found:
        raise DataError(f"{path}: expected a folder of PNG files, found none. Check the path.")
    return found


def _natural(file: Path) -> tuple[object, object]:
    """Sort by the name without its ending first: 1.png comes before 1-b.png."""
    return natural_key(file.stem), natural_key(file.name)


def _refuse_folders(path: Path, names: Sequence[str]) -> None:
    """Refuse pictures in sub-folders: they would be left out without a word."""
    folders = [name for name in names if name not in _IGNORED_FOLDERS and _has_pngs(path / name)]
    if folders:
        raise DataError(
            f"{path}: expected PNG files directly in this folder, got sub-folders with some: "
            f"{few(sorted(folders, key=natural_key))}. Put all files into one folder; if the "
            "sub-folders are classes, give the labels as a CSV file with the columns file and "
            "label."
        )


def _has_pngs(folder: Path) -> bool:
    return folder.suffix.lower() != ".png" and any(
        file.suffix.lower() == ".png" for file in folder.iterdir()
    )
