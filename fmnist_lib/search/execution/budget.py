"""How the wall-clock budget is divided."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmnist_lib.config.search import SearchConfig

#: Part of the budget kept for refitting the champion on training and validation images. Whoever
#: leads the race knows better how much it needs.
REFIT_SHARE = 0.2
#: Rather than leave images out, the champion's refit may end late by this part of the budget, and
#: by so many seconds at the most.
_LATE_SHARE, _MOST_LATE_SECONDS = 0.03, 5.0
#: From so many minutes on there is time for patch dictionaries: none, of several sizes, and of one
#: size as well, for small models.
_PATCH_SIZES = {0.0: (), 2.0: ("3+5+7",), 8.0: ("5", "3+5+7")}


@dataclass(frozen=True)
class Budget:
    """Wall-clock limits of a search.

    Attributes
    ----------
    total_seconds : float
        The minutes of the configuration.
    seconds : dict of str to float
        Limit of every candidate should it run for itself, refit included, features excluded.
    shares : dict of str to float
        Part of the search time of every candidate, relative to the others.
    started, deadline : float
        Start of the budget and end of the champion's refit, in seconds since 1970.
    race_seconds : float
        Wall time from the first candidate's start to the deadline.
    refit_seconds : float
        What the champion's refit may take in a resumed run.
    workers : int
        Candidates searched side by side.
    threads : int
        Threads each of them may use.
    champion_threads : int
        Threads of the champion's refit.
    patch_sizes : tuple of str
        Patch dictionaries that candidates may choose from.
    """

    total_seconds: float
    seconds: dict[str, float]
    shares: dict[str, float]
    started: float
    deadline: float
    race_seconds: float
    refit_seconds: float
    workers: int
    threads: int
    champion_threads: int
    patch_sizes: tuple[str, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """Candidate ids in the order of their start.

        The largest share starts at once, beside short ones: time they leave over goes to those
        after them, and the last to start is a long one.
        """
        ascending = sorted(self.shares, key=lambda name: (self.shares[name], name))
        at_once = max(1, self.workers - 1)
        return (*reversed(ascending[-at_once:]), *ascending[:-at_once])

    def spent(self, rows: int, most_rows: int) -> Spent:
        """Account for the time until now, at the end of the champion's refit."""
        return Spent(
            seconds=time.time() - self.started,
            total_seconds=self.total_seconds,
            rows=rows,
            most_rows=most_rows,
        )

    def refit_seconds_left(self, *, resumed: bool = False) -> float:
        """Seconds for the champion's refit; a resumed run has as many as are kept for it."""
        late = min(_LATE_SHARE * self.total_seconds, _MOST_LATE_SECONDS)
        left = max(self.deadline + late - time.time(), 0.0)
        return max(left, self.refit_seconds) if resumed else left


@dataclass(frozen=True)
class Spent:
    """What a search and the champion's refit came to.

    Attributes
    ----------
    seconds, total_seconds : float
        Wall time used and allowed; a resumed run counts the time it lay still.
    rows, most_rows : int
        Training and validation images that the champion was fitted on, and how many there are.
    """

    seconds: float
    total_seconds: float
    rows: int
    most_rows: int


def plan_budget(
    config: SearchConfig, started: float | None = None, cores: int | None = None
) -> Budget:
    """Divide the minutes among features, candidates and the champion's refit.

    Parameters
    ----------
    config : SearchConfig
    started : float, optional
        When the budget began, in seconds since 1970; default: now. The features that all
        candidates share may have been computed since.
    cores : int, optional
        Processors to use; default: those this process may run on.
    """
    cores = cores or available_cores()
    shares = {c.id: c.share for c in config.candidates if c.engine != "ensemble"}
    workers = min(config.workers or cores, len(shares))
    total = 60 * config.minutes
    now = time.time()
    started = now if started is None else started
    left = max(started + total - now, 0.2 * total)
    scale = (left - REFIT_SHARE * total) * workers / sum(shares.values())
    return Budget(
        seconds={name: min(share * scale, left) for name, share in shares.items()},
        shares=shares,
        total_seconds=total,
        started=started,
        deadline=now + left,
        race_seconds=left,
        refit_seconds=REFIT_SHARE * total,
        workers=workers,
        threads=max(1, cores // workers),
        champion_threads=cores,
        patch_sizes=patch_sizes(config),
    )


def patch_sizes(config: SearchConfig) -> tuple[str, ...]:
    """Patch dictionaries that there is time for.

    A search in which every candidate is bounded by trials takes those of one size, however short.
    """
    searched = [c for c in config.candidates if c.engine in {"optuna", "tpot"}]
    if all(getattr(c, "trials", None) or getattr(c, "generations", None) for c in searched):
        return ("5",)
    return max((m, sizes) for m, sizes in _PATCH_SIZES.items() if m <= config.minutes)[1]


def available_cores() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
