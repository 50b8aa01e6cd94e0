"""One message for failures of the machine, in place of Metaflow's traceback."""

from __future__ import annotations

import signal
from functools import wraps
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.machine_failures import machine_failure

if TYPE_CHECKING:
    from collections.abc import Callable


def explain_failures(flow: type) -> None:
    """Make Metaflow's processes explain a full disk, too little memory, and a killed task.

    Metaflow writes artifacts and logs outside of the steps, where no decorator sees an error, and
    offers no hook. Two of its functions are wrapped: the one that prints an unforeseen exception,
    and the one that reports the end of a task.

    Parameters
    ----------
    flow : type
        The flow's class: Metaflow builds its command line from it when `metaflow.cli` is imported.
    """
    from metaflow.parameters import flow_context
    from metaflow.runtime import Worker

    with flow_context(flow):
        from metaflow import cli
    cli.print_unknown_exception = _explained(cli.print_unknown_exception, cli.echo_always)
    Worker.emit_log = _with_signal(Worker.emit_log)


def _explained(
    print_traceback: Callable[[Exception], None], echo: Callable[..., None]
) -> Callable[[Exception], None]:
    """Return a function that prints a message if there is one, else the traceback."""

    @wraps(print_traceback)
    def print_failure(error: Exception) -> None:
        message = machine_failure(error)
        if message is None:
            print_traceback(error)
        else:
            echo(message, indent=True, bold=True)

    return print_failure


def _with_signal(emit_log: Callable[..., None]) -> Callable[..., None]:
    """Return a method that adds to "Task failed." the signal that killed the task."""

    @wraps(emit_log)
    def emit(worker: Any, message: bytes, *arguments: Any, **options: Any) -> None:
        code = worker._proc.returncode  # noqa: SLF001 (the worker has no other access to it)
        if message == b"Task failed." and code is not None and code < 0:
            message = f"Task failed: {_reason(-code)}.".encode()
        emit_log(worker, message, *arguments, **options)

    return emit


def _reason(number: int) -> str:
    name = signal.Signals(number).name
    hint = ", as the kernel does when memory runs out" if number == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
