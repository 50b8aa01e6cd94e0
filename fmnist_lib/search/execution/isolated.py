"""Run a function in a process of its own and exchange messages with it.

A fit in compiled code ignores every cooperative time limit, and a crash there ends its process.
The process is started with `subprocess` and a connection over an inherited socket. The spawn
method of `multiprocessing` would import this process's main module, the flow, and would copy its
environment, while thread limits must be set before NumPy is imported.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.features.chunks import THREADS, limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POLL_SECONDS = 0.25
#: Output of the process that is kept, for the message if it ends without an outcome.
_TAIL_BYTES = 2**16
#: Added to the niceness of the process: a search uses all cores for minutes, and what shows its
#: progress (the cards, the console) needs a fraction of a second at once.
_NICENESS = 5
#: One thread per library, so that no digit depends on the number of cores; `in_threads` gives the
#: same digits on any number.
_LIBRARIES = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM", "NUMBA_NUM")


@dataclass(frozen=True)
class Outcome:
    """The result of an isolated call, or why there is none."""

    result: Any = None
    error: str | None = None


def run_isolated(
    function: Callable[..., Any],
    argument: Any,
    on_message: Callable[[Any], None],
    overdue: Callable[[], str | None],
    threads: Callable[[], int],
) -> Outcome:
    """Call ``function(argument, send)`` in a new process and wait for its end.

    Parameters
    ----------
    function : callable
        Of a module that the new process can import.
    argument : picklable
    on_message : callable
        Called in this process with everything that ``function`` sends.
    overdue : callable
        Returns the reason to kill the process now, else None.
    threads : callable
        Returns the number of threads that the process may use at the moment.
    """
    ours, theirs = multiprocessing.Pipe()
    with ours:
        with theirs:
            process = _start(theirs.fileno(), threads())
        output = _OutputTail(process.stdout)
        try:
            for message in _messages(process, ours, (function, argument), threads):
                if isinstance(message, Outcome):
                    return message
                if isinstance(message, logging.LogRecord):
                    logging.getLogger(message.name).handle(message)
                elif message is not None:
                    on_message(message)
                if reason := overdue():
                    return Outcome(error=reason)
            process.wait()
            return Outcome(error=_reason(process.returncode, output.text()))
        finally:
            if process.poll() is None:
                # The whole group: what the function started ends as well.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class _OutputTail:
    """The last output of a process, read by a thread: no amount fills a pipe or a disk.

    Parameters
    ----------
    stream : binary file
        Closed at its end.
    """

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._tail = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := stream.read1(_TAIL_BYTES):  # type: ignore[attr-defined]
                self._tail = (self._tail + chunk)[-_TAIL_BYTES:]

    def text(self) -> str:
        """Return the last output of a process that has ended."""
        # What the process started may keep the pipe open.
        self._thread.join(timeout=1)
        return self._tail.decode(errors="replace")


def _start(descriptor: int, threads: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    limits = {f"{library}_THREADS": "1" for library in _LIBRARIES}
    return subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", "fmnist_lib.search.execution.isolated", str(descriptor)],
        env=os.environ | limits | {THREADS: str(threads), "PYTHONPATH": path},
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _messages(
    process: subprocess.Popen[bytes],
    connection: Connection,
    content: Any,
    threads: Callable[[], int],
) -> Iterator[Any]:
    """Send content, then changed thread limits; yield answers, or None, until the process ends."""
    limit = None
    while process.poll() is None or connection.poll():
        if content is not None:
            # A process that has just ended takes no more, but its outcome is still to be received.
            with suppress(OSError):
                connection.send(content)
        try:
            message = connection.recv() if connection.poll(_POLL_SECONDS) else None
        except (EOFError, OSError):
            return
        yield message
        content = None if (now := threads()) == limit else now
        limit = now


def _reason(returncode: int, output: str) -> str:
    """Return why a process ended without an outcome."""
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    lines = output.strip().splitlines() or ["no output"]
    return f"ended with exit code {returncode}: {lines[-1].strip()[-300:]}"


class _LogToParent(logging.Handler):
    """Send this project's warnings to the parent process, which shows them.

    Parameters
    ----------
    send : callable
    """

    def __init__(self, send: Callable[[Any], None]) -> None:
        super().__init__(logging.WARNING)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record as text: its arguments need not be picklable."""
        plain = {"msg": record.getMessage(), "args": None, "exc_info": None}
        self._send(logging.makeLogRecord(vars(record) | plain))


def _main(descriptor: int) -> None:
    """Receive a function and its argument, call it and send the outcome."""
    _give_way()
    os.set_inheritable(descriptor, False)  # noqa: FBT003 (no keyword)
    connection = Connection(descriptor)
    function, argument = connection.recv()
    threading.Thread(target=_receive_limits, args=(connection,), daemon=True).start()
    one_at_a_time = threading.Lock()

    def send(message: Any) -> None:
        with one_at_a_time:
            connection.send(message)

    logging.getLogger("fmnist_lib").addHandler(_LogToParent(send))
    try:
        outcome = Outcome(function(argument, send))
    except Exception as error:  # noqa: BLE001 (every failure becomes a row of the leaderboard)
        outcome = Outcome(error=f"{type(error).__name__}: {error}")
    send(outcome)


def _give_way() -> None:
    """Let the machine's other processes go first."""
    os.nice(_NICENESS)
    # This process is a session of its own. Linux may share cores out to sessions first, by the
    # niceness of each, and only then to the processes in them (autogroups, `man 7 sched`).
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS), encoding="ascii")


def _receive_limits(connection: Connection) -> None:
    """Apply the thread limits that the parent sends; end the process when the parent has ended."""
    while True:
        try:
            limit_threads(connection.recv())
        except (EOFError, OSError):
            os._exit(1)


if __name__ == "__main__":
    # The classes of the messages must be those of the imported module, not of __main__.
    from fmnist_lib.search.execution import isolated  # noqa: PLW0406

    isolated._main(int(sys.argv[1]))  # noqa: SLF001 (this module)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that a library left running (Dask's event loop) must not delay the end.
    os._exit(0)
