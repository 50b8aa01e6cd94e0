"""Read ``.npy`` and ``.npz`` files of unknown origin: no pickles, and no more memory than stated.

NumPy allocates what the header of an array states before it reads the values, and reads a whole
member of a zip file whatever its size. Both are checked here first.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.formatting import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Most bytes of the arrays in one file.
MAX_BYTES = 2**31
#: Longer headers describe no array of this project; NumPy evaluates them as Python literals.
_MAX_HEADER = 10_000
_MAX_DIMENSIONS = 32


class ArrayFileError(ValueError):
    """A file does not hold plain arrays, or they are larger than they may be."""


def check_array(file: IO[bytes], size: int) -> None:
    """Check the header of an array; the file is rewound.

    Parameters
    ----------
    file : binary file
        At the start of an ``.npy`` file.
    size : int
        Bytes in it.

    Raises
    ------
    ArrayFileError
        The header is damaged, describes Python objects, or states more bytes than there are.
    """
    try:
        shape, dtype = _header(file)
        start = file.tell()
        file.seek(0)
    except Exception as error:  # noqa: BLE001 (NumPy evaluates the header, which may raise anything)
        raise ArrayFileError(f"no header of an array ({reason_of(error)})") from None
    if dtype.hasobject:
        raise ArrayFileError("pickled objects, which could run code when loaded")
    if len(shape) > _MAX_DIMENSIONS or any(length < 0 for length in shape):
        raise ArrayFileError(f"an impossible shape of {len(shape)} dimensions")
    if math.prod(shape) * dtype.itemsize > size - start:
        raise ArrayFileError(
            f"a header that states {math.prod(shape) * dtype.itemsize} bytes, and "
            f"{max(size - start, 0)} bytes: the file is cut short"
        )


def read_array(content: bytes) -> np.ndarray:
    """Return the array of an ``.npy`` file that is in memory.

    Raises
    ------
    ArrayFileError
        As `check_array`.
    """
    return _read(io.BytesIO(content), len(content))


def read_npy(path: Path) -> np.ndarray:
    """Return the array of an ``.npy`` file.

    Raises
    ------
    ArrayFileError
        As `check_array`.
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        return _read(file, path.stat().st_size)


def map_npy(path: Path) -> np.ndarray:
    """Return the array of an ``.npy`` file, memory-mapped; errors as `read_npy`."""
    with path.open("rb") as file:
        check_array(file, path.stat().st_size)
    try:
        # Not np.load: it would also accept a zip or a pickle.
        return np.lib.format.open_memmap(path, mode="r")
    except (ValueError, TypeError, OverflowError) as error:
        raise ArrayFileError(reason_of(error)) from None


def read_npz(
    file: Path | IO[bytes], wanted: Sequence[str], max_bytes: int = MAX_BYTES
) -> dict[str, np.ndarray]:
    """Return the wanted arrays that are present in an ``.npz`` file.

    Parameters
    ----------
    file : Path or binary file
    wanted : sequence of str
    max_bytes : int, default=2**31
        Most bytes of all arrays together, unpacked.

    Raises
    ------
    ArrayFileError
        The file is damaged, holds pickled objects, or is larger when unpacked.
    OSError
        The file cannot be read.
    """
    with _opened(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > max_bytes:
            raise ArrayFileError(f"{size} bytes when unpacked, more than {max_bytes}")
        names = set(archive.namelist())
        return {name: _member(archive, f"{name}.npy") for name in wanted if f"{name}.npy" in names}


def names_in(file: Path | IO[bytes]) -> list[str]:
    """Return the names of the arrays in an ``.npz`` file; errors as `read_npz`."""
    with _opened(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _opened(file: Path | IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 (a damaged directory may raise anything)
        raise ArrayFileError(f"no intact zip file ({reason_of(error)})") from None


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    try:
        with archive.open(name) as member:
            return _read(member, archive.getinfo(name).file_size)
    except ArrayFileError as error:
        raise ArrayFileError(f"{error}, in {name}") from None
    except Exception as error:  # noqa: BLE001 (so may damaged, encrypted or unknown compression)
        raise ArrayFileError(f"a damaged {name} ({reason_of(error)})") from None


def _read(file: IO[bytes], size: int) -> np.ndarray:
    check_array(file, size)
    try:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ArrayFileError(reason_of(error)) from None


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file, max_header_size=_MAX_HEADER)
    else:
        raise ValueError(f"format version {version}")
    return shape, dtype
