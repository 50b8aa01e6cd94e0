"""Progress of all candidates of a run, as one small file per candidate.

For display only: no candidate reads another one's file.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from fmnist_lib.common.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.search.engines.result import CandidateResult, Progress

#: Phases in which a candidate has ended.
ENDED = ("finished", "failed")


@dataclass(frozen=True)
class CandidateProgress:
    """Progress or end of a candidate.

    Attributes
    ----------
    candidate : str
    process : int
        Id of the task's process.
    started : float
        In seconds since 1970.
    phase : str
        "searching", "refitting", "finished" or "failed".
    seconds : float
        Time used, as last reported.
    trials : int
    best : tuple of tuple of float
        Seconds since the start and accuracy on held-out training images, whenever it improved.
    accuracy : float or None
        On the validation images, once it has finished.
    note : str
        Why it failed, or why its search was stopped.
    """

    candidate: str
    process: int
    started: float
    phase: str = "searching"
    seconds: float = 0.0
    trials: int = 0
    best: tuple[tuple[float, float], ...] = field(default=())
    accuracy: float | None = None
    note: str = ""

    @property
    def ended(self) -> bool:
        """True if it finished or failed."""
        return self.phase in ENDED

    @property
    def alive(self) -> bool:
        """True if it still runs: a killed task leaves its last phase behind."""
        import psutil

        return not self.ended and psutil.pid_exists(self.process)


class ProgressFile:
    """The file to which a candidate's task writes its progress.

    Parameters
    ----------
    directory : Path
        Of the run; created if missing.
    candidate : str
        Id; names the file.
    """

    def __init__(self, directory: Path, candidate: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / f"{candidate}.json"
        self._write(CandidateProgress(candidate, os.getpid(), time.time()))

    def update(self, progress: Progress) -> None:
        """Write the progress of the search."""
        last, best = self._last, self._last.best
        if progress.best is not None and (not best or progress.best > best[-1][1]):
            best = (*best, (progress.seconds, progress.best))
        self._write(
            replace(
                last,
                phase=progress.phase,
                seconds=progress.seconds,
                trials=progress.trials,
                best=best,
            )
        )

    def end(self, result: CandidateResult) -> None:
        """Write how the candidate ended."""
        accuracy = result.validation_accuracy
        self._write(
            replace(
                self._last,
                phase="failed" if result.failed else "finished",
                seconds=time.time() - self._last.started,
                accuracy=accuracy.value if accuracy else None,
                note=result.error or result.stopped or "",
            )
        )

    def _write(self, progress: CandidateProgress) -> None:
        self._last = progress
        # No search may fail because its progress cannot be shown.
        with suppress(OSError):
            write_atomically(self._path, json.dumps(asdict(progress)).encode())


def read_progress(directory: Path) -> dict[str, CandidateProgress]:
    """Return the progress of every candidate that has started, by id.

    Parameters
    ----------
    directory : Path
        Need not exist.
    """
    found = {}
    for path in directory.glob("*.json"):
        values = json.loads(path.read_text())
        values["best"] = tuple((seconds, accuracy) for seconds, accuracy in values["best"])
        found[path.stem] = CandidateProgress(**values)
    return found
