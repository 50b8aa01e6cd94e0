"""Checksums of files, and files that are replaced atomically."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fmnist_lib.common.errors import FmnistError

_PARTIAL = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)-\d+\.part")


#: Fashion-MNIST unpacks to 1.8 times its size, a CSV of it to 4 times; zeros to 1,032 times.
MAX_RATIO = 50
#: Unpacked at any ratio: a small file of equal images is no attack.
_ANY_RATIO_BYTES = 64 << 20


def most_unpacked(path: Path) -> int:
    """Return the most bytes that a compressed file may unpack to."""
    return max(_ANY_RATIO_BYTES, MAX_RATIO * path.stat().st_size)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises
    ------
    DataError
        The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file, got: {error.strerror or error}. "
            "Check the path, its permissions and the disk."
        ) from None


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Yield a hidden file beside ``path``, which replaces ``path`` at the end.

    After an error the partial file is deleted, and ``path`` is as before. Safe to use for the same
    path from several threads and processes: the last one to end wins.

    Parameters
    ----------
    path : Path
        Its directory must exist.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        # After a success it has replaced `path` and no longer exists.
        with suppress(OSError):
            partial.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by ``content``, synchronised to disk; its directory must exist."""
    with partial_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def require_unused(directory: Path, error: type[FmnistError] = DataError) -> None:
    """Raise an error unless a directory is new or empty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise error(
            f"{directory}: expected a new or an empty directory, got one in use. Name another one."
        )


def delete_stale_partial_files(directory: Path, name: str | None = None) -> None:
    """Delete the partial files that killed processes left; see `stale_partial_files`."""
    for path in stale_partial_files(directory, name):
        path.unlink(missing_ok=True)


def stale_partial_files(directory: Path, name: str | None = None) -> Iterator[Path]:
    """Yield the partial files that killed processes left.

    Parameters
    ----------
    directory : Path
        Without its sub-directories; need not exist.
    name : str, optional
        Only partial files of this file.
    """
    import psutil

    for path in directory.glob(".*.part"):
        match = _PARTIAL.fullmatch(path.name)
        if match is None or name not in (None, match["name"]):
            continue
        if not psutil.pid_exists(int(match["process"])):
            yield path
