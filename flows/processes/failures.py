"""One message for failures of the machine, in place of Metaflow's traceback."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from metaflow.datastore.exceptions import DataException
from metaflow.exception import MetaflowException

from cards.parts.step_card import damaged_artifact
from fmnist_lib.common.machine_failures import causes, machine_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def explain_failures(flow: type) -> None:
    """Make Metaflow's processes explain a full disk, too little memory, and a killed task.

    Metaflow reads and writes artifacts and logs outside of the steps, where no decorator sees an
    error, and offers no hook. Three of its functions are wrapped: those that print an error of its
    own and an unforeseen exception, and the one that reports the end of a task.

    Parameters
    ----------
    flow : type
        The flow's class: Metaflow builds its command line from it when `metaflow.cli` is imported.
    """
    from metaflow.parameters import flow_context
    from metaflow.runtime import Worker

    with flow_context(flow):
        from metaflow import cli
    for name in ("print_unknown_exception", "print_metaflow_exception"):
        setattr(cli, name, _explained(getattr(cli, name), cli.echo_always))
    Worker.emit_log = _with_signal(Worker.emit_log)


@contextmanager
def explained_failures() -> Iterator[None]:
    """Explain failures of the machine outside of Metaflow's code, before a step for example.

    Raises
    ------
    SystemExit
        With the message; any other error is left as it is.
    """
    try:
        yield
    except Exception as error:
        message = machine_failure(error)
        if message is None:
            raise
        raise SystemExit(message) from None


def _explained(
    print_error: Callable[[Exception], None], echo: Callable[..., None]
) -> Callable[[Exception], None]:
    """Return a function that prints a message if there is one, else what Metaflow prints."""

    @wraps(print_error)
    def print_failure(error: Exception) -> None:
        message = None
        # Metaflow's other errors, and this project's that it prints, have a message already.
        if isinstance(error, DataException) or not isinstance(error, MetaflowException):
            message = (
                machine_failure(error) or _end_by_signal(error) or damaged_artifact(error, sys.argv)
            )
        if message is None:
            print_error(error)
        else:
            echo(message, indent=True, bold=True)

    return print_failure


def _end_by_signal(error: Exception) -> str | None:
    """Return the message for an error of Metaflow's cleaning up after a signal ended the task."""
    is_ended = any(isinstance(one, SystemExit) for one in causes(error))
    return "Ended by a signal." if is_ended else None


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
