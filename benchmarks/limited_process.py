"""Run a command within a time limit, measure its memory, and end every process it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
SAMPLING_SECONDS = 0.5
#: A library chooses its number of threads itself, not the shell that starts the benchmark.
NOT_INHERITED = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)


@dataclass(frozen=True)
class Ended:
    """Result of a process; `exit_code` is None when it was killed at the limit.

    `processor_seconds` are those of the process and of descendants that were waited for.
    """

    exit_code: int | None
    seconds: float
    peak_gib: float
    processor_seconds: float


def run_limited(
    command: Sequence[str],
    seconds: float,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str] = os.environ,
) -> Ended:
    """Run a command, measure its memory, and end every process it started.

    Parameters
    ----------
    command : sequence of str
    seconds : float
        Wall time after which the process and its descendants are killed.
    log : Path
        File for its output.
    cwd : Path
    environment : mapping of str to str
        Passed on, but for `NOT_INHERITED`.
    """
    passed_on = {name: text for name, text in environment.items() if name not in NOT_INHERITED}
    log.parent.mkdir(parents=True, exist_ok=True)
    start, used = time.monotonic(), _processor_seconds()
    peak = 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=passed_on,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    family = {psutil.Process(process.pid)}
    try:
        while process.poll() is None and time.monotonic() - start < seconds:
            with suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLING_SECONDS)
            family |= _descendants(family)
            peak = max(peak, memory_of(family))
        exit_code = process.poll()
        elapsed = time.monotonic() - start
    finally:
        _kill(process, family)
    return Ended(exit_code, elapsed, peak / 2**30, _processor_seconds() - used)


def _processor_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _descendants(family: set[psutil.Process]) -> set[psutil.Process]:
    """Return all descendants, also of members whose parent has ended, such as Ray's servers."""
    found = set()
    for member in family:
        with suppress(psutil.Error):
            found |= set(member.children(recursive=True))
    return found


def memory_of(processes: Iterable[psutil.Process]) -> int:
    """Return the bytes of processes; pages that they share are counted once."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total


def _kill(process: subprocess.Popen, family: set[psutil.Process]) -> None:
    family |= _descendants(family)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with suppress(psutil.Error):
            member.kill()
    process.wait()


def last_error(text: str) -> str:
    """Return the last error in the output of a process, or the last line when there is none."""
    # Progress bars rewrite their line, and some go on after the traceback.
    lines = [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    last = (errors or lines or [""])[-1]
    return last.replace(str(ROOT), "").replace(tempfile.gettempdir(), "")[:160]
