"""Wall time of a fit, and how it grows with the rows."""

from __future__ import annotations

import time
from dataclasses import dataclass

#: Speed that each further thread adds, relative to the first: two threads of a kernel's fit on two
#: cores, which share memory and caches.
_THREAD_GAIN = 0.55
#: Safety factor for extrapolated fit times.
MARGIN = 1.08


@dataclass(frozen=True)
class FitTime:
    """Wall time of one fit.

    Attributes
    ----------
    rows : int
    seconds : float
    growth : float
        The time grows with the rows to this power.
    parallel : bool
        True if more threads make it faster.
    threads : float
        Mean number of threads it ran on.
    """

    rows: int
    seconds: float
    growth: float
    parallel: bool = False
    threads: float = 1.0

    def at(self, rows: int, threads: float = 1) -> float:
        """Estimate the seconds of a fit on other rows, safety factor included."""
        growth = (rows / self.rows) ** self.growth
        return MARGIN * self.seconds * growth / self._speedup(threads)

    def rows_in(self, seconds: float, most: int, threads: float = 1) -> int:
        """Estimate how many rows, ``most`` at the most, can be fitted in so many seconds.

        Never fewer than were measured, unless ``most`` is.
        """
        share = max(seconds, 0.0) * self._speedup(threads) / (MARGIN * max(self.seconds, 1e-9))
        return int(min(most, max(self.rows * share ** (1 / self.growth), self.rows)))

    def _speedup(self, threads: float) -> float:
        """Speed on so many threads, relative to the measured fit."""
        if not self.parallel:
            return 1.0
        return (1 + _THREAD_GAIN * (threads - 1)) / (1 + _THREAD_GAIN * (self.threads - 1))


class Stopwatch:
    """Wall time since it was made, and the threads kept busy meanwhile."""

    def __init__(self) -> None:
        self._wall, self._processor = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return the seconds, and the mean number of threads, at least 1."""
        seconds = max(time.monotonic() - self._wall, 1e-3)
        return seconds, max(1.0, (time.process_time() - self._processor) / seconds)
