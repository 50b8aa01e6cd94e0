"""How the wall-clock budget is divided."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmnist_lib.config import SearchConfig

#: Part of the budget kept for refitting the champion on training and validation images. A kernel
#: that leads knows how much it needs, and takes the rest for its search.
REFIT_SHARE = 0.2
#: From so many minutes on there is time for dictionaries of several patch sizes.
_SEVERAL_SIZES_MINUTES = 5.0
ONE_SIZE, SEVERAL_SIZES = ("5",), ("5", "3+5+7")


@dataclass(frozen=True)
class Budget:
    """Wall-clock limits of a search.

    Attributes
    ----------
    seconds : dict of str to float
        Limit of every candidate should it run for itself, refit included, features excluded.
    shares : dict of str to float
        Part of the search time of every candidate, relative to the others.
    race_seconds : float
        Wall time from the first candidate's start to the end of the champion's refit.
    refit_seconds : float
        Kept of it for the champion's refit.
    workers : int
        Candidates searched side by side.
    threads : int
        Threads each of them may use.
    champion_threads : int
        Threads of the champion's refit.
    patch_sizes : tuple of str
        Patch dictionaries that candidates may choose from.
    """

    seconds: dict[str, float]
    shares: dict[str, float]
    race_seconds: float
    refit_seconds: float
    workers: int
    threads: int
    champion_threads: int
    patch_sizes: tuple[str, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """Candidate ids, longest first: the order that leaves no worker idle at the end."""
        return tuple(sorted(self.shares, key=lambda i: (-self.shares[i], i)))


def plan_budget(
    config: SearchConfig, spent_seconds: float = 0.0, cores: int | None = None
) -> Budget:
    """Divide the minutes among features, candidates and the champion's refit.

    Parameters
    ----------
    config : SearchConfig
    spent_seconds : float
        Wall time already taken, by the features that all candidates share.
    cores : int, optional
        Processors to use; default: those this process may run on.
    """
    cores = cores or available_cores()
    shares = {c.id: c.share for c in config.candidates if c.engine != "ensemble"}
    workers = min(config.workers or cores, len(shares))
    total = 60 * config.minutes
    left = max(total - spent_seconds, 0.2 * total)
    scale = (left - REFIT_SHARE * total) * workers / sum(shares.values())
    return Budget(
        seconds={name: min(share * scale, left) for name, share in shares.items()},
        shares=shares,
        race_seconds=left,
        refit_seconds=REFIT_SHARE * total,
        workers=workers,
        threads=max(1, cores // workers),
        champion_threads=cores,
        patch_sizes=SEVERAL_SIZES if config.minutes >= _SEVERAL_SIZES_MINUTES else ONE_SIZE,
    )


def available_cores() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
