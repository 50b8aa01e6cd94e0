"""Division of the wall-clock budget, with one absolute deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fmnist_lib.common.spent import Spent
from fmnist_lib.features.chunks import available_threads

if TYPE_CHECKING:
    from collections.abc import Collection

    from fmnist_lib.config.search import SearchConfig

#: Part of the time left after the features that is kept for the winner's refit on training and
#: validation images, and the most that is kept. Measured at 3 minutes on two cores: 27 s from the
#: search's deadline to the end of the refit on 60,000 images; at 1 minute 12 s.
_REFIT_SHARE, _MOST_REFIT_SECONDS = 0.23, 45.0
#: Part of the refit's time from the end of the last search to the start of the fit: a task ends,
#: another one starts and loads the results (7 s at 3 minutes).
_HANDOVER_SHARE = 0.27
#: Rather than leave images out, the winner's refit may end late by this part of the budget.
_LATE_SHARE = 0.03


@dataclass(frozen=True)
class Budget:
    """Wall-clock limits of a search. All times are seconds since 1970.

    Attributes
    ----------
    started : float
        Start of the budget: the features that all candidates share are included.
    search_started, search_deadline : float
        Start of the first candidate, and the time at which every candidate is ended.
    deadline : float
        End of the winner's refit.
    shares : dict of str to float
        Relative search time per candidate, in the order of their start.
    workers : int
        Candidates searched at the same time.
    cores : int
    """

    started: float
    search_started: float
    search_deadline: float
    deadline: float
    shares: dict[str, float]
    workers: int
    cores: int

    @property
    def total_seconds(self) -> float:
        """Wall time of features, search and refit."""
        return self.deadline - self.started

    def deadline_of(self, candidate_id: str) -> float:
        """Return when a candidate that starts now has to end its search.

        The first candidates, one per worker but the last, may use the whole search. The others
        follow each other on the last worker: each gets its share of the time that is left.
        """
        names = list(self.shares)
        position = names.index(candidate_id)
        if position < self.workers - 1:
            return self.search_deadline
        now = time.time()
        waiting = [self.shares[name] for name in names[position:]]
        return now + max(self.search_deadline - now, 0.0) * waiting[0] / sum(waiting)

    @property
    def refit_seconds(self) -> float:
        """Time kept for the winner's refit, without the start of its task."""
        return (1 - _HANDOVER_SHARE) * (self.deadline - self.search_deadline)

    def resumed(self, at: float, finished: Collection[str]) -> Budget:
        """Return the budget of a resumed run, whose search begins when the run was resumed.

        Parameters
        ----------
        at : float
            When the run was resumed.
        finished : collection of str
            Candidates that finished before: no time is kept for them.
        """
        delay = max(at - self.search_started, 0.0)
        return replace(
            self,
            started=self.started + delay,
            search_started=self.search_started + delay,
            search_deadline=self.search_deadline + delay,
            deadline=self.deadline + delay,
            shares={name: share for name, share in self.shares.items() if name not in finished},
        )

    def refit_seconds_left(self) -> float:
        """Return the seconds for the winner's refit."""
        late = _LATE_SHARE * self.total_seconds
        return max(self.deadline + late - time.time(), 0.0)

    def spent(self, rows: int, most_rows: int, stopped_early: str | None = None) -> Spent:
        """Return the time until now, at the end of the winner's refit."""
        seconds = time.time() - self.started
        return Spent(seconds, self.total_seconds, rows, most_rows, stopped_early)


def plan_budget(
    config: SearchConfig, started: float | None = None, cores: int | None = None
) -> Budget:
    """Divide the minutes among features, candidates and the winner's refit.

    Parameters
    ----------
    config : SearchConfig
    started : float, optional
        When the budget began, in seconds since 1970, if features were computed since.
    cores : int, optional
        Default: those this process may use.
    """
    now = time.time()
    started = now if started is None else started
    total = 60 * config.minutes
    # Features that took too long leave something for the search nevertheless.
    deadline = max(started + total, now + 0.2 * total)
    shares = {c.id: c.share for c in config.candidates if c.engine != "ensemble"}
    cores = cores or available_threads()
    workers = min(config.workers or cores, len(shares))
    return Budget(
        started=started,
        search_started=now,
        search_deadline=deadline - min(_REFIT_SHARE * (deadline - now), _MOST_REFIT_SECONDS),
        deadline=deadline,
        shares={name: shares[name] for name in _start_order(shares, workers)},
        workers=workers,
        cores=cores,
    )


def _start_order(shares: dict[str, float], workers: int) -> list[str]:
    """Return the largest shares first, one per worker but the last; then the smallest first."""
    ascending = sorted(shares, key=lambda name: (shares[name], name))
    at_once = max(1, workers - 1)
    return [*reversed(ascending[-at_once:]), *ascending[:-at_once]]
