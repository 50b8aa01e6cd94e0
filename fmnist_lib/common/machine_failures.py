"""Failures of the machine: one message instead of a traceback."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Texts and fix per error number. SQLite and wrapped errors have a text only.
_DISK = {
    errno.ENOSPC: (("No space left on device", "disk is full"), "Free some space."),
    errno.EDQUOT: (("Disk quota exceeded",), "Free some space."),
    errno.EROFS: (("Read-only file system", "readonly database"), "Make it writable again."),
    errno.EIO: (("Input/output error", "disk I/O error"), "Check the disk."),
}
#: Texts of other errors that mean too little memory: the loader's, and of `mmap` and threads.
_NO_MEMORY = (
    "failed to map segment from shared object",
    "Cannot allocate memory",
    "can't start new thread",
)


def machine_failure(error: BaseException) -> str | None:
    """Return the message for a full or read-only disk, or for too little memory.

    Parameters
    ----------
    error : BaseException
        The errors that caused it are looked at as well.

    Returns
    -------
    str or None
        None for any other error, whose traceback is of use.

    Examples
    --------
    >>> machine_failure(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    'No space left on device: /data/x. Free some space.'
    >>> machine_failure(ValueError("too short")) is None
    True
    """
    # The first cause names the file; what wraps it may only quote its text.
    for one in reversed(list(causes(error))):
        if message := _disk_failure(one) or _memory_failure(one):
            return message
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then what it was raised from or while handling, up to the first cause."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _disk_failure(error: BaseException) -> str | None:
    number, place = getattr(error, "errno", None), getattr(error, "filename", None)
    for wanted, (texts, fix) in _DISK.items():
        if number == wanted or any(text in str(error) for text in texts):
            return f"{texts[0]}{f': {place}' if place else ''}. {fix}"
    return None


def _memory_failure(error: BaseException) -> str | None:
    lacks_memory = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    if lacks_memory or any(text in str(error) for text in _NO_MEMORY):
        return (
            "Out of memory: the machine, or a limit of the process, allows no more. End other "
            "programs, use a machine with more memory, or train on fewer images (--rows)."
        )
    return None
