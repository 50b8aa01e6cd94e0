"""What both engines share: the rows trials see, the clock, and the report of progress."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.search.result import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.search.result import SearchData


#: A refit is estimated from a fit on fewer rows, in proportion, times this margin.
REFIT_MARGIN = 1.3


@dataclass(frozen=True)
class TuningRows:
    """Training images that trials are fitted on, and those that score them.

    Attributes
    ----------
    images, holdout_images : ndarray of uint8, shape (n, 28, 28)
        Any leading part of ``images`` is a random sample.
    labels, holdout_labels : ndarray of uint8, shape (n,)
    n_train : int
        All training images, which the best pipeline is refitted on.
    """

    images: np.ndarray
    labels: np.ndarray
    holdout_images: np.ndarray
    holdout_labels: np.ndarray
    n_train: int


def tuning_rows(data: SearchData, rows: int, holdout_share: float, seed: int) -> TuningRows:
    """Draw the rows of a candidate's trials from the training images.

    The same seed gives the same held-out images to every candidate.

    Parameters
    ----------
    data : SearchData
    rows : int
        Images to fit on; fewer when there are not so many.
    holdout_share : float in (0, 1)
        Share of the training images that score the trials.
    seed : int
    """
    order = np.random.default_rng(seed).permutation(len(data.train_labels))
    n_holdout = max(1, round(holdout_share * len(order)))
    holdout, fit = order[:n_holdout], order[n_holdout : n_holdout + rows]
    return TuningRows(
        images=data.train_images[fit],
        labels=data.train_labels[fit],
        holdout_images=data.train_images[holdout],
        holdout_labels=data.train_labels[holdout],
        n_train=len(order),
    )


class Clock:
    """Wall time of one candidate.

    Parameters
    ----------
    limit : float
        Seconds for search and refit together.
    refit_limit : float
        Seconds the refit alone may take.
    report : callable
        Called with a `Progress`.
    """

    def __init__(
        self, limit: float, refit_limit: float, report: Callable[[Progress], None]
    ) -> None:
        self.limit = limit
        self.refit_limit = min(refit_limit, 0.5 * limit)
        self._report = report
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the candidate started."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float:
        """Seconds until the limit; negative when it has passed."""
        return self.limit - self.seconds

    def report(self, phase: str, trials: int = 0, best: float | None = None) -> None:
        """Tell the outside how far the candidate has come."""
        self._report(Progress(phase, self.seconds, trials, best))
