"""Bound the size of the cache of feature columns, studies and retraining data."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from fmnist_lib.common.deletion import CACHE, Deletion, last_write
from fmnist_lib.common.files import delete_stale_partial_files

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

#: Entries that are deleted as a whole: the columns of an extractor, the journal of a study, the
#: data set of a retraining run, the progress of a run that was killed.
_ENTRIES = ("features/*", "studies/*/*", "retraining/*", "progress/*")
#: A run's marker is written this long after its process has started, or later.
_CLOCK_TOLERANCE_SECONDS = 1.0


def prune_cache(cache: Path, gibibytes: float, process: int) -> None:
    """Delete leftovers of killed processes, then the least recently used entries until it fits.

    Entries that were used since the start of another run that is still alive are kept.

    Parameters
    ----------
    cache : Path
        Created if missing.
    gibibytes : float
        Maximum size.
    process : int
        Id of the process that lives as long as the run that is starting.
    """
    runs = cache / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for marker in runs.iterdir():
        if _start_of_live_run(marker) is None:
            marker.unlink(missing_ok=True)
    (runs / str(process)).touch()
    for directory in (cache / "features").glob("*"):
        delete_stale_partial_files(directory)
    for path in excess_entries(cache, gibibytes, process):
        logger.info("Deleting %s from the cache.", path.relative_to(cache))
        with suppress(OSError):
            Deletion(CACHE, path).apply()


def excess_entries(cache: Path, gibibytes: float, process: int | None = None) -> list[Path]:
    """Return the least recently used entries, without which the cache has its maximum size.

    None that was used since the start of a run that is still alive. Nothing is changed.

    Parameters
    ----------
    cache : Path
        Need not exist.
    gibibytes : float
        Maximum size.
    process : int, optional
        Id of the process of a run that is starting, which uses no entry yet.
    """
    markers = [path for path in (cache / "runs").glob("*") if path.name != str(process)]
    starts = [start for start in map(_start_of_live_run, markers) if start is not None]
    in_use_since = min(starts, default=float("inf"))
    paths = [path for pattern in _ENTRIES for path in cache.glob(pattern)]
    entries = [(last_write(path), Deletion(CACHE, path).size, path) for path in paths]
    excess = sum(size for _, size, _ in entries) - gibibytes * 2**30
    found = []
    for last_use, size, path in sorted(entries):
        if excess <= 0 or last_use >= in_use_since:
            break
        found.append(path)
        excess -= size
    return found


def _start_of_live_run(marker: Path) -> float | None:
    """Return when the run of a marker started, in seconds since 1970; None if it has ended."""
    import psutil

    try:
        started = marker.stat().st_mtime
        # A process that started after the marker was written has reused the id.
        created = psutil.Process(int(marker.name)).create_time()
    except (psutil.Error, ValueError, FileNotFoundError):
        return None
    return started if created <= started + _CLOCK_TOLERANCE_SECONDS else None
