"""Run the command line: ``python -m fmnist_lib COMMAND``, installed as ``fmnist COMMAND``."""

from __future__ import annotations

import signal
import sys
from typing import Any

#: A process that a signal ended exits with this plus the signal's number, as in a shell.
_SIGNAL_EXIT_BASE = 128


def main() -> None:
    """Run the command that the arguments of this process name."""
    received: list[int] = []

    def stop(number: int, _: Any) -> None:
        """Exit as after an error, so that unfinished output is deleted."""
        received.append(number)
        sys.exit(_SIGNAL_EXIT_BASE + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        # Imported under the handlers, so that a signal at start-up is no traceback either.
        from fmnist_lib.commands.main import fmnist

        fmnist()
    finally:
        # An extension module that is being imported replaces SystemExit by ImportError.
        if received:
            sys.exit(_SIGNAL_EXIT_BASE + received[0])


if __name__ == "__main__":
    main()
