"""Processes and temporary files of a run: none stays when the run's own process has ended."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

_PREFIX = "fmnist-run-"
_POLL_SECONDS = 0.5
#: Exit code of a task whose run was killed.
_ORPHANED = 75


@contextmanager
def private_temporary_directory() -> Iterator[None]:
    """Give all processes of a run a directory for temporary files, deleted at the end.

    A task that is killed cannot delete its files. The directory of a run that was killed itself is
    deleted by the next run.
    """
    place = Path(tempfile.gettempdir())
    _delete_stale(place)
    directory = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = tempfile.tempdir = directory
    try:
        yield
    finally:
        tempfile.tempdir = None
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(directory, ignore_errors=True)


def _delete_stale(place: Path) -> None:
    """Delete this user's directories of runs that no longer exist."""
    import psutil

    for path in place.glob(f"{_PREFIX}*"):
        process = path.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError, ValueError):
            if not psutil.pid_exists(int(process)) and path.stat().st_uid == os.getuid():
                shutil.rmtree(path, ignore_errors=True)


def end_with_parent() -> None:
    """End this task, and what it started, soon after the process of the run was killed.

    Otherwise it would go on, and could replace the signal file or the champion of a run that was
    killed and perhaps resumed meanwhile.
    """
    _run_process()

    def watch() -> None:
        while True:
            end_if_orphaned()
            time.sleep(_POLL_SECONDS)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def end_if_orphaned() -> None:
    """End this task at once if the process of its run was killed.

    For the moment before something that cannot be taken back: the watch of `end_with_parent` looks
    twice a second.
    """
    if os.getppid() != _run_process():
        signal_all(descendants(), signal.SIGKILL)
        os._exit(_ORPHANED)


@cache
def _run_process() -> int:
    """Return the process of the run: the parent when this task was started."""
    return os.getppid()


def descendants() -> list[psutil.Process]:
    """Return the processes that this one started, and those that they started."""
    import psutil

    return psutil.Process().children(recursive=True)


def signal_all(processes: list[psutil.Process], number: int) -> None:
    """Send a signal to processes, some of which may have ended."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def kill_all(processes: list[psutil.Process]) -> None:
    """Kill processes, and wait up to a second for their end."""
    import psutil

    signal_all(processes, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=1)
