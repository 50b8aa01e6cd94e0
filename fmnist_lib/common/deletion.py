"""Files to delete, their size, and their deletion."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Kinds of files that a clean-up deletes, in the order of its report.
DATASTORE, CARDS, BUNDLES, MLFLOW, CACHE, SPOOL = KINDS = (
    "datastore",
    "cards",
    "bundles",
    "MLflow artifacts",
    "cache",
    "spool",
)


@dataclass(frozen=True)
class Deletion:
    """A file or a directory to delete.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    path : Path
        Need not exist.
    """

    kind: str
    path: Path

    @property
    def size(self) -> int:
        """Bytes of the files, as `apply` would free now."""
        return sum(size for _, size in _files(self.path))

    def apply(self) -> int:
        """Delete the files, then the directories; return the bytes of the files.

        Idempotent, and safe beside another process that deletes the same files. Symbolic links are
        deleted and not followed.
        """
        freed = 0
        for path, size in _files(self.path):
            with suppress(FileNotFoundError):
                path.unlink()
                freed += size
        for directory, _, _ in os.walk(self.path, topdown=False):
            with suppress(FileNotFoundError):
                Path(directory).rmdir()
        return freed


def last_write(path: Path) -> float:
    """Return when a file, or the most recent one in a directory, was written.

    In seconds since 1970; the directories count as well. 0 for a path that does not exist.
    """
    newest = 0.0
    inside = (Path(root, name) for root, _, names in os.walk(path) for name in (".", *names))
    for one in (path, *inside):
        with suppress(FileNotFoundError):
            newest = max(newest, one.lstat().st_mtime)
    return newest


def _files(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield every file at or below a path, and every symbolic link, with its size in bytes."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not S_ISDIR(found.st_mode):
        yield path, found.st_size
        return
    for root, directories, names in os.walk(path):
        links = [name for name in directories if Path(root, name).is_symlink()]
        for name in (*names, *links):
            with suppress(FileNotFoundError):
                inside = Path(root, name)
                yield inside, inside.lstat().st_size
