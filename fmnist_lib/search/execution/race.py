"""The race of the candidates for time: who leads goes on, who is beaten stops early.

The candidates run in processes of their own, some of them only when others have ended. They see
each other through small files in one directory: each writes its own, and reads the others'.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A candidate that has used this part of its time and lies clearly behind the leader stops.
_TRIAL_SHARE = 1 / 3
#: Standard errors of the difference that count as clearly. Both were scored on the same images,
#: so the true standard error is smaller.
_CLEARLY = 3.0
#: Part of the race kept for the champion's refit: as long as nobody knows more, and at the most.
_REFIT_SHARE, _MOST_REFIT_SHARE = 0.2, 0.35
#: Between the end of the search and the champion's refit: measuring the speed, saving, loading,
#: starting a process, reading the columns. In a short race models are small, and it takes less: at
#: the most this part of it.
_HANDOVER_SECONDS, _MOST_HANDOVER_SHARE = 10.0, 0.08
#: A place that somebody has left is taken again within so many seconds: a task has to start.
_CHANGE_SECONDS = 10.0


@dataclass(frozen=True)
class Standing:
    """How a candidate stands.

    Attributes
    ----------
    started, ended : float or None
        Seconds since 1970.
    best : float or None
        Accuracy of its best trial so far.
    refit : float or None
        Seconds it would need as the champion; None: not known.
    """

    started: float
    ended: float | None = None
    best: float | None = None
    refit: float | None = None


class Race:
    """One candidate's view of the race; goes along to the process the candidate runs in.

    Parameters
    ----------
    directory : path
        Shared by all candidates of a run, and by no one else; created if needed.
    identifier : str
        The candidate.
    shares : mapping of str to float
        Part of the time of every candidate of the race, relative to the others.
    seconds : float
        Wall time of the whole race, the champion's refit included. It starts with the first
        candidate.
    workers : int
        Candidates that run side by side.
    """

    def __init__(
        self,
        directory: Path,
        identifier: str,
        shares: Mapping[str, float],
        seconds: float,
        workers: int,
    ) -> None:
        self._directory = Path(directory)
        self._identifier = identifier
        self._shares = shares
        self._seconds = seconds
        self._workers = workers
        self._own: Standing | None = None
        self._deadline = math.inf

    def start(self) -> float:
        """Enter the race and return the seconds this candidate may take.

        The time left is divided by shares among the candidates that have not started: whoever
        runs beside this one may lead, and then goes on to the end.
        """
        now = time.time()
        others = self._others()
        waiting = sum(share for name, share in self._shares.items() if name not in others)
        first = min((standing.started for standing in self._standings().values()), default=now)
        self._deadline = first + self._seconds
        self._write(Standing(started=now))
        left = max(self.remaining, 0.0)
        own = self._shares[self._identifier]
        # The last worker to be free must not wait for shares that the others take meanwhile.
        return left * min(1.0, own / waiting * (1 if others else self._workers))

    @property
    def remaining(self) -> float:
        """Seconds until the refit of whoever leads must begin."""
        leader = max(self._standings().values(), key=lambda standing: standing.best or 0.0)
        refit = _REFIT_SHARE * self._seconds if leader.refit is None else leader.refit
        return self._deadline - time.time() - min(refit, self.champion_limit) - self._handover

    @property
    def _handover(self) -> float:
        return min(_HANDOVER_SECONDS, _MOST_HANDOVER_SHARE * self._seconds)

    @property
    def champion_limit(self) -> float:
        """Seconds that the champion's refit may take; with fewer images if need be."""
        return _MOST_REFIT_SHARE * self._seconds

    def post(self, best: float | None, refit: float | None = None) -> None:
        """Tell the others the accuracy of the best trial so far.

        Parameters
        ----------
        best : float or None
        refit : float, optional
            Seconds the refit would take should this candidate win; default: as posted before.
        """
        assert self._own is not None  # noqa: S101 (start comes first)
        refit = self._own.refit if refit is None else refit
        self._write(Standing(self._own.started, None, best, refit))

    def end(self) -> None:
        """Tell the others that this candidate has ended."""
        standing = self._standings().get(self._identifier)
        if standing is not None:
            self._write(replace(standing, ended=time.time()))

    def may_go_on(self) -> bool:
        """Whether this candidate leads and nobody has to wait for its place."""
        others = self._others()
        if self._own is None or self._own.best is None:
            return False
        if _best(others) > self._own.best:
            return False
        waiting = set(self._shares) - set(others) - {self._identifier}
        lately = time.time() - _CHANGE_SECONDS
        return not waiting or any(
            other.ended is None or other.ended > lately for other in others.values()
        )

    def must_end(self) -> bool:
        """Whether whoever leads would have to wait with its refit for this candidate.

        A fit inside compiled code does not look at the clock.
        """
        # The leader has things of its own to hand over meanwhile.
        if self.remaining >= -self._handover / 2:
            return False
        standings = self._standings()
        own = standings.pop(self._identifier).best or 0.0
        return own < _best(standings)

    @property
    def alone(self) -> bool:
        """Whether every other candidate has been here and has ended."""
        others = self._others()
        return len(others) == len(self._shares) - 1 and all(
            other.ended is not None for other in others.values()
        )

    def is_beaten(self, used_share: float, n_scored: int) -> bool:
        """Whether another candidate is so far ahead that going on is a waste.

        Parameters
        ----------
        used_share : float
            Part of its own time that this candidate has used.
        n_scored : int
            Images that trials are scored on.
        """
        if used_share < _TRIAL_SHARE or self._own is None or self._own.best is None:
            return False
        leader = _best(self._others())
        spread = sum(accuracy * (1 - accuracy) for accuracy in (leader, self._own.best))
        return leader - self._own.best > _CLEARLY * math.sqrt(spread / n_scored)

    def _others(self) -> dict[str, Standing]:
        standings = self._standings()
        standings.pop(self._identifier, None)
        return standings

    def _standings(self) -> dict[str, Standing]:
        files = [(name, self._directory / f"{name}.json") for name in self._shares]
        found = ((name, _read_standing(path)) for name, path in files)
        return {name: standing for name, standing in found if standing is not None}

    def _write(self, standing: Standing) -> None:
        self._own = standing
        self._directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._directory, suffix=".part", delete=False
        ) as file:
            json.dump(asdict(standing), file)
        Path(file.name).replace(self._directory / f"{self._identifier}.json")


def _read_standing(path: Path) -> Standing | None:
    """Read what a candidate posted; None for nothing, or for a file that a crash left damaged."""
    try:
        return Standing(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _best(standings: Mapping[str, Standing]) -> float:
    """Highest accuracy among the standings; 0 when there is none yet."""
    return max((standing.best or 0.0 for standing in standings.values()), default=0.0)
