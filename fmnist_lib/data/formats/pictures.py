"""Read batches from a folder of PNG files."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.labels import IMAGE_SHAPE
from fmnist_lib.common.natural_order import natural_key
from fmnist_lib.data.formats.batch_part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

_PNG = ".png"
#: Most bytes of a file: 28x28 pixels take less than 1,000, descriptions of the camera some more.
_MAX_FILE = 1 << 20
_OTHER_PICTURES = {".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
#: macOS adds this folder of metadata to archives; it holds no images.
_IGNORED_FOLDERS = {"__MACOSX"}


def png_parts(path: Path, rows: int) -> Iterator[Part]:
    """Yield the images of a folder and their file names, `rows` at a time, in natural order."""
    files = _png_files(path)
    for start in range(0, len(files), rows):
        part = files[start : start + rows]
        images = np.stack([decode_png(_content(file, path), file.name) for file in part])
        yield Part(images, names=tuple(file.name for file in part))


def decode_png(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return the pixels of one PNG.

    Parameters
    ----------
    content : bytes
        Content of the file.
    name : str
        Name of the file, for messages.

    Returns
    -------
    ndarray of uint8, shape (28, 28)

    Raises
    ------
    DataError
        It is not an intact PNG, not 28x28, or not 8-bit greyscale.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return _pixels(image, name)
    except DataError:
        raise
    # Pillow raises SyntaxError for a broken chunk, ValueError for a bomb of text, and others.
    except Exception as error:  # noqa: BLE001 (as above)
        raise DataError(
            f"{name}: expected an intact PNG file, got {len(content)} other bytes ({error}). "
            "Replace or remove it."
        ) from None


def _pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    # Size and mode are in the header: they are checked before anything is unpacked.
    height, width = IMAGE_SHAPE
    if image.size != (width, height) or image.mode != "L":
        raise DataError(
            f"{name}: expected an 8-bit greyscale PNG of {width}x{height}, got mode "
            f"{image.mode} and {image.size[0]}x{image.size[1]}. Convert it first."
        )
    return np.asarray(image)


def _content(entry: os.DirEntry[str], folder: Path) -> bytes:
    """Return the bytes of a file; os.DirEntry knows the file type without another stat call."""
    if not entry.is_file():
        kind = "a folder" if entry.is_dir() else "something else"
        found = "a broken link" if entry.is_symlink() and kind != "a folder" else kind
        raise DataError(
            f"{folder / entry.name}: expected a PNG file, got {found}. Replace or remove it."
        )
    try:
        with open(entry, "rb") as file:  # noqa: PTH123 (as for _ending)
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise DataError(
            f"{folder / entry.name}: expected a readable PNG file, got: "
            f"{error.strerror or error}. Check its permissions and the disk."
        ) from None
    if len(content) > _MAX_FILE:
        raise DataError(
            f"{folder / entry.name}: expected a PNG file of 28x28, got more than {_MAX_FILE} bytes."
            " Replace or remove it."
        )
    return content


def _png_files(path: Path) -> list[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    others = [entry.name for entry in visible if _ending(entry.name) in _OTHER_PICTURES]
    if others:
        raise DataError(
            f"{path}: expected PNG files only, got {min(others, key=natural_key)} ({len(others)} "
            "image files of other formats). Convert or remove them."
        )
    _refuse_folders(path, [entry.name for entry in visible if entry.is_dir()])
    found = [entry for entry in visible if _ending(entry.name) == _PNG]
    if not found:
        raise DataError(f"{path}: expected a folder of PNG files, found none. Check the path.")
    return sorted(found, key=_natural)


def _natural(entry: os.DirEntry[str]) -> tuple[object, str]:
    """Return a sort key from the name without its extension: 1.png comes before 1-b.png."""
    return natural_key(entry.name[: -len(_PNG)]), entry.name


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a path per name costs more than sorting)


def _refuse_folders(path: Path, names: Sequence[str]) -> None:
    """Raise DataError for PNG files in sub-folders, which would be skipped silently."""
    folders = [name for name in names if name not in _IGNORED_FOLDERS and _has_pngs(path / name)]
    if folders:
        raise DataError(
            f"{path}: expected PNG files directly in this folder, got sub-folders with some: "
            f"{short_list(sorted(folders, key=natural_key))}. Put all files into one folder; if "
            "the sub-folders are classes, give the labels as a CSV file with the columns file and "
            "label."
        )


def _has_pngs(folder: Path) -> bool:
    # A folder whose own name ends in .png is reported separately.
    return folder.suffix.lower() != _PNG and any(
        file.suffix.lower() == _PNG for file in folder.iterdir()
    )
