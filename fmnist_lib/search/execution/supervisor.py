"""Run a candidate in a process of its own, with a wall limit that holds whatever it does.

The engines' own limits are cooperative: a fit inside compiled code ignores them, and a crash in
compiled code takes the process along. So the search runs in a child process; this side watches
the clock, passes its progress on, and turns every way to fail into a result with a reason.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fmnist_lib.features.chunks import THREADS
from fmnist_lib.search.execution import worker
from fmnist_lib.search.execution.clock import TRAIN_SHARE
from fmnist_lib.search.execution.result import CandidateResult, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.search.execution.job import Job

PROJECT_ROOT = Path(__file__).resolve().parents[3]
#: A candidate is killed when it takes longer than its limit by this factor and these seconds.
GRACE_FACTOR, GRACE_SECONDS = 1.1, 10.0
#: With less time a candidate of an engine does not start its search, unless trials bound it.
_LEAST_SECONDS = {"optuna": 8.0, "tpot": 25.0}
_POLL_SECONDS = 0.25
_LOG = "output.txt"
#: Every thread pool that NumPy, SciPy, scikit-learn and the boosting libraries may use.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def supervise(
    job: Job, threads: int, on_progress: Callable[[Progress], None] | None = None
) -> CandidateResult:
    """Run one candidate and return its result, or a result that says why there is none.

    Parameters
    ----------
    job : Job
    threads : int
        Threads the candidate may use.
    on_progress : callable, optional
        Called in this process with every `Progress`.

    Returns
    -------
    CandidateResult
        With ``error`` set when the candidate raised, ran out of time or was killed.
    """
    race = job.race
    if race is None:
        return _run(job, threads, on_progress)
    job = replace(job, seconds=race.start())
    try:
        # No process for a search that would have no time.
        late = _lateness(job)
        return _failure(job, late) if late else _run(job, threads, on_progress)
    finally:
        race.end()


def _lateness(job: Job) -> str | None:
    """Why there is no time for a candidate whose turn has come; None: there is."""
    least = 0.0 if job.is_bounded_by_trials else _LEAST_SECONDS.get(job.candidate.engine, 0.0)
    if job.seconds >= least:
        return None
    return (
        f"{job.seconds:.0f} s of the search were left when its turn came, expected at "
        f"least {least:.0f}. Give the search more minutes or fewer candidates."
    )


def _failure(job: Job, reason: str, seconds: float = 0.0) -> CandidateResult:
    candidate = job.candidate
    return CandidateResult(candidate.id, candidate.engine, search_seconds=seconds, error=reason)


def _run(job: Job, threads: int, on_progress: Callable[[Progress], None] | None) -> CandidateResult:
    """Run the job in a process; once more when its search was cut off after it found something."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="candidate-") as name:
        directory = Path(name)
        (directory / worker.JOB).write_bytes(pickle.dumps(job))
        reason, phase = _run_worker(job, directory, threads, job.seconds, on_progress)
        result, cut_off_after = directory / worker.RESULT, None
        # A fit that was cut off would be again.
        if not result.exists() and (directory / worker.FOUND).exists() and phase != "refitting":
            cut_off_after = time.monotonic() - start
            (directory / worker.ERROR).unlink(missing_ok=True)
            later = on_progress and _delayed(on_progress, cut_off_after)
            again, _ = _run_worker(job, directory, threads, TRAIN_SHARE * job.seconds, later)
            reason = f"{reason}, then {again}"
        if result.exists():
            found = pickle.loads(result.read_bytes())  # noqa: S301 (written by our child)
            return replace(found, search_seconds=cut_off_after) if cut_off_after else found
    return _failure(job, reason, time.monotonic() - start)


def _delayed(on_progress: Callable[[Progress], None], seconds: float) -> Callable[[Progress], None]:
    """Pass on the progress of a process that was started later."""
    return lambda progress: on_progress(replace(progress, seconds=progress.seconds + seconds))


def _run_worker(
    job: Job,
    directory: Path,
    threads: int,
    seconds: float,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[str, str]:
    """Start a worker and wait for its end.

    Returns
    -------
    reason, phase : str
        Why it left no result, if it left none, and what it was at last seen doing.
    """
    with (directory / _LOG).open("wb") as log:
        process = _start(directory, threads, log)
        try:
            spent, phase = _watch(job, process, directory, seconds, on_progress)
        finally:
            _end(process)
    if spent is not None:
        return f"timed out after {spent:.0f} s while {phase}", phase
    return _reason(process, directory), phase


def _start(directory: Path, threads: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    # One thread for every library, so that the digits do not depend on the number of workers; our
    # own threads give the same digits whatever their number.
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, "1") | {THREADS: str(threads)}
    return subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", "fmnist_lib.search.execution.worker", str(directory)],
        env=environment | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # A group of its own: ending it ends what the candidate started as well.
        start_new_session=True,
    )


def _watch(
    job: Job,
    process: subprocess.Popen[bytes],
    directory: Path,
    seconds: float,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[float | None, str]:
    """Wait for the end, passing progress on: seconds if they were too many, and the last phase."""
    race = None if job.is_bounded_by_trials else job.race
    start, seen, phase = time.monotonic(), _size(directory / worker.PROGRESS), "starting"
    while True:
        running = process.poll() is None
        seen, reports = _read_progress(directory / worker.PROGRESS, seen)
        for report in reports:
            # Who leads the race may take longer than was planned.
            phase, seconds = report.phase, max(seconds, report.limit)
            if on_progress:
                on_progress(report)
        if not running:
            return None, phase
        limit = seconds * GRACE_FACTOR + GRACE_SECONDS
        if phase == "refitting":
            # What was found is not thrown away for an estimate that was too low.
            limit += TRAIN_SHARE * seconds + GRACE_SECONDS
        spent = time.monotonic() - start
        if spent > limit or (race and race.must_end()):
            return spent, phase
        time.sleep(_POLL_SECONDS)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_progress(path: Path, seen: int) -> tuple[int, list[Progress]]:
    """Read the complete lines after the first ``seen`` bytes; return the bytes now seen, too."""
    if not path.exists():
        return seen, []
    with path.open("rb") as file:
        file.seek(seen)
        lines = [line for line in file if line.endswith(b"\n")]
    return seen + sum(map(len, lines)), [Progress(**json.loads(line)) for line in lines]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group if anything of it is left."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _reason(process: subprocess.Popen[bytes], directory: Path) -> str:
    """Why a process that ended by itself left no result."""
    error = directory / worker.ERROR
    if error.exists():
        return error.read_text(encoding="utf-8")
    # The hard limit of an engine that cannot stop itself otherwise.
    if process.returncode == -signal.SIGALRM:
        return "ended itself: its search had overrun its time"
    if process.returncode < 0:
        return f"killed by {signal.Signals(-process.returncode).name}"
    lines = (directory / _LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    return f"ended with exit code {process.returncode}: {last[-300:]}"
