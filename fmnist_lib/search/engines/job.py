"""Input and result of a search engine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fmnist_lib.search.recipes.column_cache import ColumnStore

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from fmnist_lib.common.candidate_result import LearningPoint
    from fmnist_lib.config.search import AnyCandidate
    from fmnist_lib.search.recipes.fit_time import FitTime
    from fmnist_lib.search.recipes.recipe import Recipe
    from fmnist_lib.search.recipes.search_data import SearchData

#: `Found.stopped` of a search that used its time.
OUT_OF_TIME = "its time was up"
#: Prefix of `Found.stopped` if more time was not expected to pay.
STAGNATION = "no better pipeline"


@dataclass(frozen=True)
class SharedStorage:
    """Storage of a study that several processes search together.

    Attributes
    ----------
    address : str
        See `fmnist_lib.search.engines.shared_storage.open_storage`.
    heartbeat_seconds : int
    settings : dict
        Settings of the run, plain values: the workers read the same data with them.
    joined : bool
        True for a worker that joined the study; False for the run that made it.
    """

    address: str
    heartbeat_seconds: int = 5
    settings: dict[str, Any] = field(default_factory=dict)
    joined: bool = False


@dataclass(frozen=True)
class Job:
    """One candidate, the images it may use and the time it has.

    Attributes
    ----------
    candidate : AnyCandidate
    data : SearchData
    seed : int
    cache : path
        Directory of feature columns and studies, shared by all candidates.
    started, deadline : float
        When search and fit on the training images begin and end, in seconds since 1970. An
        infinite deadline: the search is bounded by trials or generations only.
    hang_seconds : float
        Without a deadline, the candidate is killed if it has reported nothing for so long.
    refit_share : float
        Part of the time that the fit on the training images may take.
    winner_refit_seconds : float
        Time kept after the search for the refit on training and validation images. A candidate
        whose refit needs more stops its search earlier.
    cores : int
        Cores of the machine to use, shared with candidates that run at the same time.
    patch_sizes : tuple of str
        Patch dictionaries to choose from, such as "5" and "3+5".
    memory_gib : float
        Memory limit of a kernel.
    max_model_mb : float
        A larger model is not fitted.
    max_stagnation_trials : int or None
        Stop after so many trials without a better one; None: use the whole time.
    warm_start : bool
        Enqueue the best trials of earlier studies of the same data.
    confidence : float
        Level of the interval of the validation accuracy.
    study_name : str or None
        Of the search of this candidate, the same when a run is resumed: its finished trials are
        kept. None: it can't be continued.
    shared : SharedStorage or None
        Where workers on other hosts find the study; None: a file of this machine.
    dask_scheduler : str or None
        Address of the Dask cluster that evaluates pipelines; None: this process does.
    """

    candidate: AnyCandidate
    data: SearchData
    seed: int
    cache: Path
    started: float = field(default_factory=time.time)
    deadline: float = math.inf
    hang_seconds: float = math.inf
    refit_share: float = 0.35
    winner_refit_seconds: float = math.inf
    cores: int = 1
    patch_sizes: tuple[str, ...] = ("5",)
    memory_gib: float = 4.0
    max_model_mb: float = math.inf
    max_stagnation_trials: int | None = None
    warm_start: bool = False
    confidence: float = 0.95
    study_name: str | None = None
    shared: SharedStorage | None = None
    dask_scheduler: str | None = None

    @property
    def seconds(self) -> float:
        """Wall time of search and fit on the training images together."""
        return self.deadline - self.started

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.time()

    @property
    def is_bounded_by_time(self) -> bool:
        """True if the deadline ends the search; otherwise its result is reproducible."""
        return math.isfinite(self.deadline)

    @property
    def refit_limit(self) -> float:
        """Seconds that the fit on the training images may take."""
        return self.refit_share * self.seconds

    def store(self) -> ColumnStore:
        """Open the store of feature columns."""
        return ColumnStore(self.cache, self.data, self.seed)


@dataclass(frozen=True)
class Found:
    """The best recipe of a search.

    Attributes
    ----------
    recipe : Recipe
    params : dict
        Hyper-parameters, plain values.
    trials : DataFrame
        One row per trial: ``number``, ``state`` ("complete", "pruned", "failed" or
        "skipped"), ``value`` (accuracy in [0, 1] or missing), ``seconds`` since the start,
        ``reason`` of a failure, and the parameters.
    description : str
        The pipeline in a few words.
    best_trial : int or None
        Its ``number`` in `trials`; None without trials.
    score : float or None
        Accuracy of the best trial on held-out training images: optimistic, as the best of many.
    front : DataFrame or None
        Pareto front of accuracy and complexity, if the engine has one.
    importances : dict of str to float
        Share of the variance of the trials' accuracy that a parameter explains.
    fit_time : FitTime or None
        Of the best trial's last fit; None if the search is not bounded by time.
    stopped : str or None
        Why the search ended before its trials or generations did; None if it did not.
    learning_curve : tuple of LearningPoint
        Of the best recipe, on more and more rows; empty if the engine fits on all of them at once.
    """

    recipe: Recipe
    params: dict[str, Any]
    trials: pd.DataFrame
    description: str
    best_trial: int | None = None
    score: float | None = None
    front: pd.DataFrame | None = None
    importances: dict[str, float] = field(default_factory=dict)
    fit_time: FitTime | None = None
    stopped: str | None = None
    learning_curve: tuple[LearningPoint, ...] = ()


#: Called after every trial with the number of trials, the accuracy of the best one, and what was
#: found if the last trial is the best one.
Report = Callable[[int, float | None, Found | None], None]
