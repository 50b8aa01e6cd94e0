"""What a candidate leaves behind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.search.recipes.recipe import Recipe


#: What a second thread adds to the speed of a fit: memory and caches are shared, and some of it is
#: done by one thread.
_THREAD_GAIN = 0.55


@dataclass(frozen=True)
class Progress:
    """How far a candidate has come.

    Attributes
    ----------
    phase : str
        "starting", "searching" or "refitting".
    seconds : float
        Since the candidate started.
    trials : int
        Pipelines tried so far, failed and pruned ones included.
    best : float or None
        Accuracy of the best trial so far, on held-out training images.
    limit : float
        Seconds the candidate may take; more than at first when it leads the race.
    """

    phase: str
    seconds: float
    trials: int = 0
    best: float | None = None
    limit: float = 0.0


@dataclass(frozen=True)
class FitTime:
    """Wall time of one fit, and how it grows with the rows.

    Attributes
    ----------
    rows : int
    seconds : float
    growth : float
        The time grows with the rows to this power.
    parallel : bool
        Whether more threads make it quicker.
    threads : float
        Threads it ran on, on average: there may be more processors from some moment on.
    """

    rows: int
    seconds: float
    growth: float
    parallel: bool = False
    threads: float = 1.0

    def at(self, rows: int, threads: float = 1) -> float:
        """Estimate the seconds of a fit on other rows."""
        return self.seconds * (rows / self.rows) ** self.growth / self._gain(threads)

    def rows_in(self, seconds: float, most: int, threads: int = 1) -> int:
        """Estimate how many rows can be fitted in so many seconds, ``most`` at the most.

        Never fewer than were measured, as long as there are so many.
        """
        share = max(seconds, 0.0) * self._gain(threads) / max(self.seconds, 1e-9)
        return int(min(most, max(self.rows * share ** (1 / self.growth), self.rows)))

    def _gain(self, threads: float) -> float:
        """Speed on so many threads, relative to those that were measured."""
        if not self.parallel:
            return 1.0
        return (1 + _THREAD_GAIN * (threads - 1)) / (1 + _THREAD_GAIN * (self.threads - 1))


class Stopwatch:
    """Wall time of a piece of work, and how many threads it kept busy."""

    def __init__(self) -> None:
        self._wall, self._processor = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return the seconds since the start, and the threads, at least 1, on average."""
        seconds = max(time.monotonic() - self._wall, 1e-3)
        return seconds, max(1.0, (time.process_time() - self._processor) / seconds)


@dataclass(frozen=True)
class Found:
    """What an engine found, and how it came to it.

    Attributes
    ----------
    recipe : Recipe
    params : dict
        Hyper-parameters, plain values.
    trials : DataFrame
        One row a trial: ``number``, ``state`` ("complete", "pruned", "failed" or
        "skipped"), ``value`` (accuracy in [0, 1] or missing), ``seconds`` since the start,
        ``reason`` of a failure, and the parameters.
    description : str
        The pipeline in a few words.
    score : float or None
        Accuracy of the best trial on held-out training images: optimistic, as the best of many.
    front : DataFrame or None
        Pareto front of accuracy and complexity, where the engine keeps one.
    importances : dict of str to float
        Share of the variance of the trials' accuracy that a parameter explains.
    fit_time : FitTime or None
        Of the best trial's last fit; None when it does not matter, as nothing is bounded by time.
    """

    recipe: Recipe
    params: dict[str, Any]
    trials: pd.DataFrame
    description: str
    score: float | None = None
    front: pd.DataFrame | None = None
    importances: dict[str, float] = field(default_factory=dict)
    fit_time: FitTime | None = None


@dataclass(frozen=True)
class CandidateResult:
    """One candidate after its search and its refit on the training images.

    Attributes
    ----------
    id, engine : str
    description : str
        The best pipeline in a few words; empty when the candidate failed.
    recipe : Recipe or None
        What the champion is refitted from; None when the candidate failed.
    pipeline : sklearn.pipeline.Pipeline or None
        Fitted on the training images.
    trial_accuracy : float or None
        Of the best trial on held-out training images; the validation accuracy says how much of it
        was luck.
    validation_accuracy : Estimate or None
    validation_log_loss : float or None
    validation_correct : ndarray of bool, shape (n_validation,), or None
        For paired comparisons with other candidates.
    validation_probabilities : ndarray of float32, shape (n_validation, n_classes), or None
    params : dict
    trials, front : DataFrame or None
    importances : dict of str to float
        See `Found`.
    search_seconds, fit_seconds : float
        Wall time of the search, and of the refit on the training images.
    fit_rows : int
        Training images of the refit: all, or as many as the time allowed.
    fit_time : FitTime or None
        Of the refit; None when nothing is bounded by time.
    predict_ms_per_image : float
    model_mb : float
        Size of the pickled pipeline in 10**6 bytes.
    error : str or None
        Why the candidate failed.
    """

    id: str
    engine: str
    description: str = ""
    recipe: Recipe | None = None
    pipeline: Any = None
    trial_accuracy: float | None = None
    validation_accuracy: Estimate | None = None
    validation_log_loss: float | None = None
    validation_correct: np.ndarray | None = None
    validation_probabilities: np.ndarray | None = None
    params: dict[str, Any] = field(default_factory=dict)
    trials: pd.DataFrame | None = None
    front: pd.DataFrame | None = None
    importances: dict[str, float] = field(default_factory=dict)
    search_seconds: float = 0.0
    fit_seconds: float = 0.0
    fit_rows: int = 0
    fit_time: FitTime | None = None
    predict_ms_per_image: float = 0.0
    model_mb: float = 0.0
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no pipeline to compare."""
        return self.error is not None

    def without_pipeline(self) -> CandidateResult:
        """Return the result without its fitted pipeline, which may take a hundred megabytes."""
        return replace(self, pipeline=None)
