"""One candidate as a TPOT search: genetic programming over pipelines on reduced features."""

from __future__ import annotations

import logging
import math
import signal
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit

from fmnist_lib.common.errors import SearchError
from fmnist_lib.models.kernel import KernelClassifier
from fmnist_lib.search.engines.search_space import available
from fmnist_lib.search.execution.result import FitTime, Found
from fmnist_lib.search.recipes.pipelines import SHARED_GRADIENTS, SHARED_PATCHES, feature_blocks
from fmnist_lib.search.recipes.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fmnist_lib.config.search import TpotCandidate
    from fmnist_lib.search.execution.clock import Clock
    from fmnist_lib.search.execution.job import Job

#: Classifiers of TPOT's own that a pipeline may end with: those that give probabilities and can be
#: refitted on fifty thousand rows in minutes (SVC, GaussianProcess and exact boosting cannot).
CLASSIFIERS = (
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
    "ExtraTreesClassifier",
    "MLPClassifier",
    "LGBMClassifier",
)
SCALERS = ("StandardScaler", "Normalizer", "Passthrough")
TRANSFORMERS = ("Nystroem", "PCA", "Passthrough")
#: Part of the candidate's time that the evolution may use; the rest is for the refit.
SEARCH_SHARE = 0.6
#: Longest evaluation of one pipeline, as a part of the search time.
EVALUATION_SHARE = 0.2
#: Rows of a sub-sample by the time for the search, and at least.
_ROWS_PER_SECOND, _FEWEST_ROWS = 50, 500
#: An evolution that takes longer than its time by this factor is ended.
_OVERRUN = 1.15
#: Used where no time limit is wanted: TPOT cannot do without a number.
NO_LIMIT_MINUTES = 24 * 60.0


def search(
    candidate: TpotCandidate, job: Job, clock: Clock, keep: Callable[[Found], None]
) -> Found:
    """Evolve learners on principal components of patches and gradients.

    The columns are those that all candidates share, computed once before the search. Every
    pipeline is fitted on a sub-sample and scored on the held-out images, the same that score
    Optuna's trials; evolution weighs accuracy against the number of a pipeline's parameters.

    Parameters
    ----------
    candidate : TpotCandidate
    job : Job
    clock : Clock
    keep : callable
        Called with the best pipeline so far whenever there is a better one.

    Raises
    ------
    SearchError
        No pipeline could be evaluated.

    References
    ----------
    Olson and Moore, "TPOT: A Tree-based Pipeline Optimization Tool", 2016.
    """
    data = job.data
    rows = slice(0, data.fit_rows(_rows(candidate, clock)).stop)
    n_fit = rows.stop - data.n_holdout
    params = block_params(candidate, job.patch_sizes)
    recipe = Recipe(feature_blocks(params), None)
    X, y = recipe.columns(job.store(), data, rows), data.labels[rows]
    # The held-out rows come first: they are fold 0, and the rest is fitted on.
    split = PredefinedSplit(np.repeat([0, -1], [data.n_holdout, n_fit]))
    estimator = _estimator(candidate, clock, job.seed, split, n_fit, X.shape[1])

    def found(learner: Any, trials: pd.DataFrame, number: int) -> Found:
        return Found(
            recipe=Recipe(recipe.blocks, learner),
            params=params | plain_params(learner),
            trials=trials,
            score=float(trials["value"].iloc[number]),
            description=f"{X.shape[1]} components, {_step_names(learner)}",
            front=trials[trials["on_front"]],
            fit_time=None if candidate.generations else _fit_time(trials, number, n_fit),
        )

    def keep_best(learner: Any, evaluated: pd.DataFrame) -> None:
        keep(found(learner, evaluated, int(evaluated["value"].idxmax())))

    _Evaluations.begin(clock, keep_best)
    seconds = math.inf if candidate.generations else clock.remaining * SEARCH_SHARE
    with warnings.catch_warnings(), _hard_limit(_OVERRUN * seconds):
        warnings.simplefilter("ignore")
        _evolve(estimator, X, y)
    trials = trials_frame(estimator.evaluated_individuals)
    number = _best(trials)
    best = estimator.evaluated_individuals["Instance"].iloc[number]
    return found(clone(best), trials, number)


def _rows(candidate: TpotCandidate, clock: Clock) -> int:
    """Rows to fit pipelines on: fewer in a short search, which still sees some dozens of them."""
    if candidate.generations:
        return candidate.rows
    return max(_FEWEST_ROWS, min(candidate.rows, int(_ROWS_PER_SECOND * clock.remaining)))


def block_params(candidate: TpotCandidate, patch_sizes: tuple[str, ...]) -> dict[str, Any]:
    """Parameters of the feature blocks in front of every pipeline TPOT builds."""
    gradients = max(2, round(0.4 * candidate.components))
    return {
        "features": available("patches+gradients", patch_sizes),
        "patch_sizes": patch_sizes[-1] if patch_sizes else "",
        **SHARED_PATCHES,
        **SHARED_GRADIENTS,
        "patches_components": max(2, candidate.components - gradients),
        "gradients_components": gradients,
        "second_weight": 0.45,
        "antisymmetric_share": 0.36,
        "whitening": 0.65,
    }


def _estimator(  # noqa: PLR0917 (private, called once)
    candidate: TpotCandidate, clock: Clock, seed: int, split: Any, n_samples: int, n_features: int
) -> Any:
    from tpot import TPOTEstimator

    minutes = max(clock.remaining * SEARCH_SHARE / 60, 0.05)
    bounded = candidate.generations is not None
    return TPOTEstimator(
        search_space=_search_space(n_samples, n_features, seed),
        scorers=[accuracy],
        scorers_weights=[1],
        other_objective_functions=[complexity],
        other_objective_functions_weights=[-1],
        objective_function_names=["complexity"],
        classification=True,
        cv=split,
        population_size=candidate.population,
        generations=candidate.generations,
        max_time_mins=NO_LIMIT_MINUTES if bounded else minutes,
        # None is a TypeError inside TPOT 1.1.
        max_eval_time_mins=NO_LIMIT_MINUTES if bounded else minutes * EVALUATION_SHARE,
        # Threads of this process: a pool of processes would each import TPOT again, and the
        # memory limit of Dask stalls threads.
        n_jobs=1,
        processes=False,
        memory_limit=0,
        verbose=0,
        random_state=seed,
    )


def _search_space(n_samples: int, n_features: int, seed: int) -> Any:
    from ConfigSpace import ConfigurationSpace, Float, Integer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from tpot.config import get_search_space
    from tpot.search_spaces.nodes import EstimatorNode
    from tpot.search_spaces.pipelines import ChoicePipeline, SequentialPipeline

    sizes = {
        "n_classes": 10,
        "n_samples": n_samples,
        "n_features": n_features,
        "random_state": seed,
    }
    before = [get_search_space(list(names), **sizes) for names in (SCALERS, TRANSFORMERS)]
    kernel = ConfigurationSpace(
        {
            "width": Float("width", (0.3, 3.0), log=True),
            "ridge": Float("ridge", (0.005, 0.5), log=True),
            "random_state": seed,
        }
    )
    # TPOT's own spaces have other distances than the Euclidean one, and a thousand passes of SAGA:
    # minutes for ten thousand rows, in compiled code that no limit of TPOT's ends.
    logistic = ConfigurationSpace(
        {"C": Float("C", (1e-3, 1e2), log=True), "max_iter": 300, "random_state": seed}
    )
    neighbours = ConfigurationSpace(
        {
            "n_neighbors": Integer("n_neighbors", (1, 100), log=True),
            "weights": ["uniform", "distance"],
        }
    )
    learners = ChoicePipeline(
        [
            get_search_space(list(CLASSIFIERS), **sizes),
            EstimatorNode(method=LogisticRegression, space=logistic),
            EstimatorNode(method=KNeighborsClassifier, space=neighbours),
            EstimatorNode(method=KernelClassifier, space=kernel),
        ]
    )
    return SequentialPipeline([*before, learners])


class _Evaluations:
    """Scores of the pipelines evaluated so far in this process.

    TPOT has no callback, so its scorer reports. Dask serialises the scorer for every evaluation:
    only state reached through the module survives that, and one candidate has one process.
    """

    clock: ClassVar[Clock | None] = None
    keep: ClassVar[Callable[[Any, pd.DataFrame], None] | None] = None
    learners: ClassVar[list[Any]] = []
    scores: ClassVar[list[float]] = []
    ends: ClassVar[list[float]] = []

    @classmethod
    def begin(cls, clock: Clock, keep: Callable[[Any, pd.DataFrame], None]) -> None:
        cls.clock, cls.keep = clock, keep
        cls.learners, cls.scores, cls.ends = [], [], [clock.seconds]

    @classmethod
    def add(cls, learner: Any, score: float) -> None:
        if cls.clock is None or cls.keep is None:
            return
        better = score > max(cls.scores, default=0.0)
        cls.learners.append(clone(learner))
        cls.scores.append(score)
        cls.ends.append(cls.clock.seconds)
        cls.clock.report("searching", len(cls.scores), max(cls.scores))
        if better:
            cls.keep(cls.learners[-1], cls.frame())

    @classmethod
    def frame(cls) -> pd.DataFrame:
        """As `trials_frame`, of the pipelines so far that did not fail."""
        sizes = [complexity(learner) for learner in cls.learners]
        front = [
            not any(
                (s >= score and z < size) or (s > score and z <= size)
                for s, z in zip(cls.scores, sizes, strict=True)
            )
            for score, size in zip(cls.scores, sizes, strict=True)
        ]
        return pd.DataFrame(
            {
                "number": range(len(sizes)),
                "state": "complete",
                "value": cls.scores,
                "seconds": cls.ends[1:],
                "duration": np.diff(cls.ends),
                "reason": None,
                "complexity": sizes,
                "on_front": front,
                "pipeline": [_step_names(learner) for learner in cls.learners],
            }
        )


def accuracy(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Score a pipeline, report the progress and keep the best."""
    score = float(estimator.score(X, y))
    _Evaluations.add(estimator, score)
    return score


def complexity(pipeline: Any) -> float:
    """Count what a pipeline is made of: its steps and their parameters."""
    return float(len(plain_params(pipeline)))


@contextmanager
def _hard_limit(seconds: float) -> Iterator[None]:
    """End this process when the evolution overruns: TPOT's own limits are cooperative.

    A signal without a handler, because compiled code may hold the interpreter for minutes. The
    supervisor then starts another process that fits the best pipeline that was kept.
    """
    if math.isinf(seconds):
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1.0))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _evolve(estimator: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Run the evolution; TPOT raises something of its own when nothing could be evaluated."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        estimator.fit(X, y)
    except Exception as error:
        raise SearchError(
            f"TPOT ended without a pipeline ({type(error).__name__}: {error}). "
            "Give the candidate more time or fewer rows."
        ) from error


def trials_frame(individuals: pd.DataFrame) -> pd.DataFrame:
    """One row an evaluated pipeline; see `fmnist_lib.search.execution.result.Found`."""
    frame = individuals.reset_index(drop=True)
    value = pd.to_numeric(frame["accuracy"], errors="coerce")
    errors = frame.get("Eval Error", pd.Series([None] * len(frame)))
    front = frame.get("Pareto_Front", pd.Series([None] * len(frame)))
    start = pd.to_numeric(frame["Submitted Timestamp"], errors="coerce")
    end = pd.to_numeric(frame["Completed Timestamp"], errors="coerce")
    return pd.DataFrame(
        {
            "number": range(len(frame)),
            "state": np.select([value.notna(), errors.notna()], ["complete", "failed"], "skipped"),
            "value": value,
            "seconds": end - start.min(),
            "duration": end - start,
            "reason": errors.where(errors.notna() | value.notna(), "the time was up"),
            "complexity": pd.to_numeric(frame.get("complexity"), errors="coerce"),
            "on_front": (front == 1) & value.notna(),
            "pipeline": [_step_names(instance) for instance in frame["Instance"]],
        }
    )


def _best(evaluated: pd.DataFrame) -> int:
    """Number of the most accurate pipeline."""
    if not evaluated["value"].notna().any():
        raise SearchError(
            f"none of {len(evaluated)} pipelines could be evaluated: "
            f"{'; '.join(sorted(evaluated['reason'].dropna().unique()))}."
        )
    return int(evaluated["value"].idxmax())


def _fit_time(evaluated: pd.DataFrame, number: int, n_fit: int) -> FitTime:
    """Time of the fit of a pipeline, its scoring included."""
    row = evaluated.loc[number]
    kernel = "Kernel" in row["pipeline"]
    growth = 2.0 if kernel or "KNeighbors" in row["pipeline"] else 1.0
    return FitTime(n_fit, max(float(row["duration"]), 1e-3), growth, parallel=kernel)


def _step_names(pipeline: Any) -> str:
    """Class names of the steps, without those that do nothing."""
    steps = getattr(pipeline, "steps", None)
    names = [type(step).__name__ for _, step in steps] if steps else [type(pipeline).__name__]
    return " > ".join(name for name in names if name != "Passthrough")


def plain_params(pipeline: Any) -> dict[str, Any]:
    """Hyper-parameters as plain Python values: TPOT leaves NumPy scalars among them."""
    params = pipeline.get_params(deep=True)
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in params.items()
    }
    plain = (bool, int, float, str, type(None))
    return {name: value for name, value in values.items() if isinstance(value, plain)}
