"""Lock of a datastore: many processes write to it, one clean-up deletes from it.

Two files, both locked with ``flock``, which the operating system releases when its holder dies:

- ``.writers.lock`` is held, shared, by every process that writes. A clean-up that gets it
  exclusively knows that nothing is being written.
- ``.gate.lock`` is held briefly by every process that begins to write, and exclusively by a
  clean-up while it decides and moves runs. So a run starts before that or after it.
"""

from __future__ import annotations

import fcntl
import logging
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

from fmnist_lib.common.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_WRITERS, _GATE, _CLEANUP = ".writers.lock", ".gate.lock", ".cleanup.lock"


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Hold the datastore's lock as a writer; wait while a clean-up decides what to delete.

    A file system without locks is no reason for a run to fail: a clean-up refuses to work there.

    Parameters
    ----------
    directory : Path
        The datastore. Without it there is nothing to lock.
    """
    with ExitStack() as held:
        try:
            with _open(directory / _GATE) as gate:
                _wait_for_gate(gate, directory)
                writers = held.enter_context(_open(directory / _WRITERS))
                fcntl.flock(writers, fcntl.LOCK_SH)
        except OSError as error:
            logger.debug("%s is not locked: %s", directory, error)
        yield


@contextmanager
def no_new_writers(directory: Path) -> Iterator[bool]:
    """Let no process begin to write; yield True if none is writing either.

    Raises
    ------
    DataError
        The file system has no locks.
    """
    _require_locks(directory)
    with _open(directory / _GATE) as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        with _open(directory / _WRITERS) as writers:
            yield _try_exclusive(writers)


@contextmanager
def only_cleanup(directory: Path) -> Iterator[None]:
    """Hold the lock of the one clean-up that may delete from a datastore.

    Raises
    ------
    DataError
        Another clean-up is running, or the file system has no locks.
    """
    _require_locks(directory)
    with _open(directory / _CLEANUP) as lock:
        if not _try_exclusive(lock):
            raise DataError(
                f"{directory}: expected no other clean-up, one is running. Wait until it has ended."
            )
        yield


def _wait_for_gate(gate: IO[str], directory: Path) -> None:
    try:
        fcntl.flock(gate, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.warning("%s: waiting until a clean-up has decided what to delete.", directory)
        fcntl.flock(gate, fcntl.LOCK_SH)


def _try_exclusive(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> IO[str]:
    """Open a lock, which may be another user's; its content does not matter."""
    try:
        return path.open("a", encoding="utf-8")
    except PermissionError:
        return path.open(encoding="utf-8")


def _require_locks(directory: Path) -> None:
    try:
        with _open(directory / _GATE) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
    except OSError as error:
        raise DataError(
            f"{directory}: expected a writable directory on a file system with locks, got: "
            f"{error.strerror or error}. Clean up on the machine that holds the files."
        ) from None
