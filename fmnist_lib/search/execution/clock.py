"""The time a candidate has, and what it tells the outside."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fmnist_lib.features.chunks import use_all_processors
from fmnist_lib.search.execution.result import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.search.execution.race import Race

#: Estimates of the time of a longer fit are taken times this margin.
MARGIN = 1.08
#: Seconds between two looks at the other candidates.
_POLL_SECONDS = 0.5
#: Part of a candidate's time that fitting on the training images may take at the most.
TRAIN_SHARE = 0.35


@dataclass(frozen=True)
class RefitTime:
    """Estimated wall time of what follows the search, with its margin.

    Attributes
    ----------
    train : float
        Seconds on the training images, features of other images included.
    champion : float
        Seconds on training and validation images, should the candidate win.
    """

    train: float
    champion: float


class Clock:
    """Wall time of one candidate.

    Parameters
    ----------
    limit : float
        Seconds for search and fit on the training images together.
    report : callable
        Called with a `Progress`.
    race : Race, optional
        A candidate that leads it may go on beyond its limit.
    n_scored : int
        Images that trials are scored on.
    """

    def __init__(
        self,
        limit: float,
        report: Callable[[Progress], None],
        race: Race | None = None,
        n_scored: int = 1,
    ) -> None:
        self.limit = limit
        self._report = report
        self._race = race
        self._n_scored = n_scored
        self._start = time.monotonic()
        self._last = Progress("starting", 0.0, limit=limit)
        if race is not None:
            threading.Thread(target=_use_free_processors, args=(race,), daemon=True).start()

    @property
    def seconds(self) -> float:
        """Seconds since the candidate started."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float:
        """Seconds until the candidate's own limit; negative when it has passed."""
        return self.limit - self.seconds

    @property
    def train_limit(self) -> float:
        """Seconds that fitting on the training images may take; with fewer images if need be."""
        return TRAIN_SHARE * self.limit

    @property
    def champion_limit(self) -> float:
        """Seconds that the champion's refit may take."""
        return self._race.champion_limit if self._race else float("inf")

    @property
    def alone(self) -> bool:
        """Whether every other candidate of the race has ended."""
        return self._race is not None and self._race.alone

    def allows(self, refit: RefitTime, more: float = 0.0) -> bool:
        """Whether there is time for a fit on the training images after some more search.

        Parameters
        ----------
        refit : RefitTime
        more : float
            Seconds of search still wanted.
        """
        if self._race is None:
            return self.remaining >= more + refit.train
        if self._race.is_beaten(self.seconds / max(self.limit, 1e-9), self._n_scored):
            return False
        left = self._race.remaining
        if left < more + refit.train:
            return False
        if self.remaining >= more + refit.train:
            return True
        if not self._race.may_go_on():
            return False
        limit = self.seconds + left
        if limit > self.limit:
            self.limit = limit
            # Whoever watches the limit from outside must know at once: a long fit may follow.
            self._report(replace(self._last, seconds=self.seconds, limit=limit))
        return True

    def report(
        self,
        phase: str,
        trials: int = 0,
        best: float | None = None,
        refit: RefitTime | None = None,
    ) -> None:
        """Tell the outside, and the other candidates, how far this one has come."""
        if self._race is not None and best is not None:
            self._race.post(best, refit.champion if refit else None)
        self._last = Progress(phase, self.seconds, trials, best, limit=self.limit)
        self._report(self._last)


def _use_free_processors(race: Race) -> None:
    """Work on all processors once every other candidate has ended."""
    while not race.alone:
        time.sleep(_POLL_SECONDS)
    use_all_processors()
