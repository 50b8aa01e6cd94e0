"""The process a candidate runs in: ``python -m fmnist_lib.search.execution.worker DIRECTORY``.

Reads ``job.pickle``, appends a line to ``progress.jsonl`` for every `Progress`, keeps the best
recipe so far in ``found.pickle``, and ends by writing ``result.pickle`` or ``error.txt``. When
there is a ``found.pickle`` at the start, an earlier process was cut off: the search is not done
again. `fmnist_lib.search.execution.supervisor` is the other side.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmnist_lib.search.execution.result import Found, Progress

JOB, PROGRESS, RESULT, ERROR = "job.pickle", "progress.jsonl", "result.pickle", "error.txt"
FOUND = "found.pickle"


def main(directory: Path) -> int:
    """Run the job in a directory; 0 when it left a result, 1 when it left an error."""
    _end_with_parent()
    from fmnist_lib.search.execution.candidate import run

    def report(progress: Progress) -> None:
        with (directory / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(progress)) + "\n")

    def keep(found: Found) -> None:
        _write(directory / FOUND, found)

    try:
        job = pickle.loads((directory / JOB).read_bytes())  # noqa: S301 (written by our parent)
        kept = directory / FOUND
        found = pickle.loads(kept.read_bytes()) if kept.exists() else None  # noqa: S301
        result = run(job, report, keep, found)
    except Exception as error:  # noqa: BLE001 (whatever it was becomes a row on the leaderboard)
        (directory / ERROR).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        return 1
    _write(directory / RESULT, result)
    return 0


def _write(path: Path, content: object) -> None:
    """Rename when complete, so that a kill while writing leaves no half file."""
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(content))
    part.replace(path)


def _end_with_parent() -> None:
    """End this process when its parent has gone, however the parent ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    # Threads left behind by a library (Dask's event loop) must not delay the end.
    status = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
