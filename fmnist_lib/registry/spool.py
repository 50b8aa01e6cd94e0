"""Spool of runs whose tracking store was unavailable when they ended."""

from __future__ import annotations

import pickle
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.common.natural_order import natural_key
from fmnist_lib.registry.runs import log_training_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fmnist_lib.common.run_report import RunReport, TrackedRun
    from fmnist_lib.model_files.stored_model import SavedModel
    from fmnist_lib.registry.store import TrackingStore

_RECORD, _MODEL, _PROBLEM = "record.pickle", "model", "problem.txt"
_UNFINISHED = ".unfinished"


def spool_run(directory: Path, report: RunReport, model: SavedModel, problem: str) -> Path:
    """Spool a run for `deliver`, atomically.

    Parameters
    ----------
    directory : Path
        The spool.
    report : RunReport
    model : SavedModel
        Its directory is copied.
    problem : str
        Why the run could not be logged.
    """
    place = spool_place(directory, report.identity.key)
    unfinished = place.with_name(f".{place.name}{_UNFINISHED}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(model.directory, unfinished / _MODEL)
    (unfinished / _RECORD).write_bytes(pickle.dumps((report, model)))
    (unfinished / _PROBLEM).write_text(problem, encoding="utf-8")
    shutil.rmtree(place, ignore_errors=True)
    unfinished.rename(place)
    return place


def spool_place(directory: Path, run: str) -> Path:
    """Return the directory of a spooled run, ``flow/run``."""
    return directory / run.replace("/", "-")


def unfinished_runs(directory: Path) -> list[Path]:
    """Return the directories of runs that are being spooled, or whose process was killed then."""
    return sorted(directory.glob(f".*{_UNFINISHED}"))


def spooled_runs(directory: Path) -> list[Path]:
    """Return the directories of spooled runs, the oldest first: run 9 before run 10."""
    found = [path.parent for path in directory.glob(f"[!.]*/{_RECORD}")]
    return sorted(found, key=lambda place: natural_key(place.name))


@contextmanager
def delivery_lock(directory: Path) -> Iterator[None]:
    """Lock the spool against concurrent deliveries.

    Raises
    ------
    TrackingError
        Another process is delivering.
    """
    from filelock import FileLock, Timeout

    directory.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(directory / ".lock", timeout=1):
            yield
    except Timeout:
        raise TrackingError(
            f"{directory}: expected no other delivery, another process is delivering. Wait for it."
        ) from None


def deliver(store: TrackingStore, place: Path) -> TrackedRun:
    """Log a spooled run, and remove it from the spool.

    Idempotent: after an interruption, another call completes what the store has of the run.

    Raises
    ------
    TrackingError
        The spooled run can't be read, or the store fails again; the run stays in the spool.
    """
    try:
        report, model = pickle.loads((place / _RECORD).read_bytes())  # noqa: S301 (written by us)
    except Exception as error:  # noqa: BLE001 (whatever a damaged or foreign pickle raises)
        raise TrackingError(
            f"{place}: expected a run that this version of the project spooled, got: "
            f"{error!r}. Check out the version that spooled it, or delete the directory."
        ) from None
    tracked = log_training_run(store, report, replace(model, directory=place / _MODEL))
    shutil.rmtree(place)
    return tracked
