"""Signal handling of the process that schedules a run, and the command that resumes it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, nullcontext, suppress
from types import resolve_bases
from typing import TYPE_CHECKING, Any

from metaflow import current

from cards.parts.step_card import resume_command
from fmnist_lib.common.writer_lock import writing
from housekeeping.stored_runs import datastore_root
from processes.failures import explain_failures, explained_failures
from processes.run_processes import (
    descendants,
    end_with_parent,
    kill_all,
    private_temporary_directory,
    signal_all,
)
from shared.searches import step_to_repeat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Seconds for Metaflow to end its tasks and to flush their logs; it takes 5 to kill them itself.
CLEANUP_SECONDS = 10
#: Exit code of a process that a signal ended, minus the signal's number.
_SIGNAL_EXIT_BASE = 128
_COMMANDS = ("run", "resume", "step")


def start(flow: Any) -> None:
    """Run the command line of a flow, with signals and failures handled."""
    # A class with a FlowMutator as its last decorator is an object that stands for the class.
    (flow,) = resolve_bases((flow,))
    with explained_failures(), command_line():
        explain_failures(flow)
        flow()


@contextmanager
def command_line(arguments: Sequence[str] | None = None) -> Iterator[None]:
    """Handle signals and failures of Metaflow's ``run``, ``resume`` and ``step`` commands.

    A run that gets SIGINT, SIGTERM or SIGHUP ends all processes it started and exits with 128 plus
    the signal's number (Metaflow itself leaves them running: Netflix/metaflow#1349). A run that
    fails prints the command that resumes it: without ``--origin-run-id`` Metaflow resumes the
    last *run*, not the last resume (Netflix/metaflow#2848). Tasks of a run that is killed end as
    well, and its temporary files are deleted.

    Each of these processes holds the lock of the local datastore, so that no clean-up deletes what
    it may be about to refer to.

    Parameters
    ----------
    arguments : sequence of str, default=sys.argv
    """
    arguments = sys.argv if arguments is None else arguments
    command = next((word for word in arguments[1:] if word in _COMMANDS), None)
    if command is None:
        yield
        return
    received: list[int] = []
    is_task = command == "step"
    _handle_signals(received, is_task=is_task)
    if is_task:
        end_with_parent()
    temporary = nullcontext() if is_task else private_temporary_directory()
    with temporary, writing(datastore_root()):
        try:
            yield
        except SystemExit as end:
            status = _SIGNAL_EXIT_BASE + received[0] if received else end.code
            if not is_task and status:
                kill_all(descendants())
                _print_resume_command(arguments)
            raise SystemExit(status) from None


def _handle_signals(received: list[int], *, is_task: bool) -> None:
    def stop_task(number: int, _: Any) -> None:
        raise SystemExit(_SIGNAL_EXIT_BASE + number)

    def stop_run(number: int, _: Any) -> None:
        if received:
            return
        received.append(number)
        signal_all(descendants(), signal.SIGTERM)
        signal.alarm(CLEANUP_SECONDS)
        raise KeyboardInterrupt

    def kill_run(*_: Any) -> None:
        kill_all(descendants())
        os._exit(_SIGNAL_EXIT_BASE + received[0])

    for number in (signal.SIGTERM, signal.SIGHUP, *([] if is_task else [signal.SIGINT])):
        # `nohup` and a shell's `&` ignore signals on purpose.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop_task if is_task else stop_run)
    if not is_task:
        signal.signal(signal.SIGALRM, kill_run)


def _print_resume_command(arguments: Sequence[str]) -> None:
    """Print the command, if the run already has an id."""
    run_id = getattr(current, "run_id", None)
    if run_id:
        step = None
        # A full disk, for example: the plain command is right in most cases.
        with suppress(Exception):
            step = step_to_repeat(current.flow_name, run_id)
        command = resume_command(arguments, run_id, step)
        print(f"To continue, once the cause is fixed: {command}")
