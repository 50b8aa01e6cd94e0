"""How the wall-clock budget is divided among the candidates."""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.config import SearchConfig

#: Part of the budget kept for refitting the champion on training and validation images.
REFIT_SHARE = 0.15


@dataclass(frozen=True)
class Budget:
    """Wall-clock limits of a search.

    Attributes
    ----------
    seconds : dict of str to float
        Limit of every candidate, its refit on the training images included.
    refit_seconds : float
        Kept for the champion's refit on training and validation images.
    workers : int
        Candidates searched side by side.
    threads : int
        Threads each of them may use.
    """

    seconds: dict[str, float]
    refit_seconds: float
    workers: int
    threads: int

    @property
    def order(self) -> tuple[str, ...]:
        """Candidate ids, longest first: the order that leaves no worker idle at the end."""
        return tuple(sorted(self.seconds, key=lambda i: (-self.seconds[i], i)))


def plan_budget(config: SearchConfig, cores: int | None = None) -> Budget:
    """Divide the minutes among the candidates by their shares.

    The candidates run longest first on the workers; the limits are such that the last one ends
    when the search part of the budget does.

    Parameters
    ----------
    config : SearchConfig
    cores : int, optional
        Processors to use; default: those this process may run on.
    """
    cores = cores or available_cores()
    workers = min(config.workers or cores, len(config.candidates))
    total = 60 * config.minutes
    shares = {candidate.id: candidate.share for candidate in config.candidates}
    scale = total * (1 - REFIT_SHARE) / _makespan(sorted(shares.values(), reverse=True), workers)
    return Budget(
        seconds={identifier: share * scale for identifier, share in shares.items()},
        refit_seconds=total * REFIT_SHARE,
        workers=workers,
        threads=max(1, cores // workers),
    )


def available_cores() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _makespan(durations: Sequence[float], workers: int) -> float:
    """End of the last job when each free worker takes the next one."""
    ends = [0.0] * workers
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)
