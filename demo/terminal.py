"""Record a command in a pseudo-terminal, and replay it within a fixed number of seconds."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.errors import FilmError
from demo.screen import COLUMNS, ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROMPT = "\x1b[32mfmnist-flow\x1b[0m $ "
#: Seconds per typed character, before a command starts, and of the last screen.
KEY_SECONDS, PAUSE_SECONDS, HOLD_SECONDS = 0.035, 0.4, 3.0
#: The longest time of one command.
COMMAND_SECONDS = 900.0


@dataclass(frozen=True)
class Recording:
    """A command's output with its times.

    Attributes
    ----------
    command : str
    events : list of (float, str)
        Seconds since the start, and the output.
    seconds : float
        Duration of the command.
    """

    command: str
    events: list[tuple[float, str]]
    seconds: float

    def write(self, path: Path) -> None:
        """Write an asciicast file, version 2, which asciinema plays too."""
        head: dict[str, object] = {"version": 2, "width": COLUMNS, "height": ROWS}
        head |= {"command": self.command, "duration": self.seconds}
        lines = [head, *([seconds, "o", text] for seconds, text in self.events)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file that `write` wrote."""
        head, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        events = [(seconds, text) for seconds, _, text in lines]
        return cls(head["command"], events, head["duration"])


def record(
    command: str,
    directory: Path,
    environment: Mapping[str, str],
    limit: float = COMMAND_SECONDS,
) -> Recording:
    """Run a command in a pseudo-terminal and record its output.

    Raises
    ------
    FilmError
        The command failed or took too long.
    """
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    start = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", command],  # noqa: S607 (found on the PATH)
        cwd=directory,
        env={**environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        events = _read(ours, start, limit)
        code = process.wait(max(1.0, start + limit - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise FilmError(f"{command}: expected an end within {limit:.0f} s, got none.") from None
    finally:
        os.close(ours)
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    recording = Recording(command, events, time.monotonic() - start)
    if code:
        last = "".join(text for _, text in events)[-2000:]
        raise FilmError(f"{command}: expected exit code 0, got {code}. Its last output:\n{last}")
    return recording


def _read(descriptor: int, start: float, limit: float) -> list[tuple[float, str]]:
    """Return the output with its times, until the last process closes the terminal."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    events: list[tuple[float, str]] = []
    while True:
        ready, _, _ = select.select([descriptor], [], [], 1.0)
        seconds = time.monotonic() - start
        if seconds > limit:
            raise TimeoutError
        if not ready:
            continue
        try:
            content = os.read(descriptor, 1 << 16)
        except OSError:  # Linux reports the end of a pseudo-terminal as an I/O error
            return events
        if not content:
            return events
        events.append((seconds, decode(content)))


@dataclass(frozen=True)
class Replay:
    """Recordings one after the other, within the seconds of a scene.

    Attributes
    ----------
    events : list of (float, str)
        Seconds of the film since the start of the scene, and the text that appears.
    speed : float
        Seconds of the commands per second of the film, at least 1.
    spans : list of (float, float)
        Start and end of every command in the film.
    """

    events: list[tuple[float, str]]
    speed: float
    spans: list[tuple[float, float]]

    def elapsed(self, seconds: float) -> float | None:
        """Return the real seconds since the start of the running command; None between two."""
        for start, end in self.spans:
            if start <= seconds <= end:
                return (seconds - start) * self.speed
        return None


def replay(recordings: Sequence[Recording], seconds: float) -> Replay:
    """Fit recordings into the seconds of a scene by one speed for all of them."""
    typing = sum(KEY_SECONDS * len(one.command) + 2 * PAUSE_SECONDS for one in recordings)
    free = max(1.0, seconds - typing - HOLD_SECONDS)
    speed = max(1.0, sum(one.seconds for one in recordings) / free)
    events, spans, now = [(0.0, PROMPT)], [], 0.0
    for one in recordings:
        now += PAUSE_SECONDS
        for character in one.command:
            events.append((now, character))
            now += KEY_SECONDS
        now += PAUSE_SECONDS
        events.append((now, "\r\n"))
        spans.append((now, now + one.seconds / speed))
        events += [(now + at / speed, text) for at, text in one.events]
        now = spans[-1][1]
        events.append((now, PROMPT))
    return Replay(events, speed, spans)
