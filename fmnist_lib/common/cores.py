"""Divide the cores among the candidates that run at the same time, in processes of their own."""

from __future__ import annotations

import fcntl
import itertools
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def share_cores(directory: Path, cores: int) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the cores for this process at the moment.

    Every process holds the lock of one file. The kernel releases it however the process ends, so
    the last one to run gets all cores. There are as many files as ran at once, and they stay.

    Parameters
    ----------
    directory : path
        The same for all processes; created if needed.
    cores : int
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        with (directory / f"{number}.lock").open("w") as file:
            if _lock(file, fcntl.LOCK_EX):
                yield lambda: max(1, cores // _running(directory))
                return


def _running(directory: Path) -> int:
    """Count the locks that are held, that of this process included."""
    count = 0
    for path in directory.glob("*.lock"):
        with path.open() as file:
            count += not _lock(file, fcntl.LOCK_SH)
    return max(1, count)


def _lock(file: IO[str], kind: int) -> bool:
    """Lock a file until it is closed; False if another process holds the lock."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
