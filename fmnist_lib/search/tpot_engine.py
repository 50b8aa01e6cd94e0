"""One candidate as a TPOT search: genetic programming over pipelines on reduced features."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit

from fmnist_lib.errors import SearchError
from fmnist_lib.models.kernel import KernelClassifier
from fmnist_lib.search.clock import MARGIN
from fmnist_lib.search.pipelines import SHARED_GRADIENTS, SHARED_PATCHES, feature_blocks
from fmnist_lib.search.recipe import Recipe
from fmnist_lib.search.result import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.config import TpotCandidate
    from fmnist_lib.search.clock import Clock
    from fmnist_lib.search.job import Job

#: Classifiers TPOT may end a pipeline with: those that give probabilities and can be refitted on
#: fifty thousand rows in minutes (SVC, GaussianProcess and exact boosting cannot).
CLASSIFIERS = (
    "LogisticRegression",
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
    "KNeighborsClassifier",
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
_NO_TRIALS = pd.DataFrame(columns=["number", "state", "value", "seconds", "reason"])
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
    rows = slice(0, data.fit_rows(candidate.rows).stop)
    n_fit = rows.stop - data.n_holdout
    params = block_params(candidate)
    recipe = Recipe(feature_blocks(params), None)
    X, y = recipe.columns(job.store(), data, rows), data.labels[rows]
    # The held-out rows come first: they are fold 0, and the rest is fitted on.
    split = PredefinedSplit(np.repeat([0, -1], [data.n_holdout, n_fit]))
    estimator = _estimator(candidate, clock, job.seed, split, n_fit, X.shape[1])

    def found(learner: Any, trials: pd.DataFrame, score: float) -> Found:
        return Found(
            recipe=Recipe(recipe.blocks, learner),
            params=params | plain_params(learner),
            trials=trials,
            score=score,
            description=f"{X.shape[1]} components, {_step_names(learner)}",
            front=None if trials.empty else trials[trials["on_front"]],
        )

    _Evaluations.begin(clock, lambda learner, score: keep(found(learner, _NO_TRIALS, score)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _evolve(estimator, X, y)
    trials = trials_frame(estimator.evaluated_individuals)
    seconds = None if candidate.generations else min(clock.remaining, clock.refit_limit)
    number = _best(trials, data.n_train / n_fit, seconds)
    best = estimator.evaluated_individuals["Instance"].iloc[number]
    return found(clone(best), trials, float(trials["value"].iloc[number]))


def block_params(candidate: TpotCandidate) -> dict[str, Any]:
    """Parameters of the feature blocks in front of every pipeline TPOT builds."""
    gradients = max(2, round(0.4 * candidate.components))
    return {
        "features": "patches+gradients",
        "patch_sizes": "5",
        **SHARED_PATCHES,
        **SHARED_GRADIENTS,
        "patches_components": max(2, candidate.components - gradients),
        "gradients_components": gradients,
        "second_weight": 0.35,
        "antisymmetric_share": 0.36,
        "whitening": 0.5,
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
    from ConfigSpace import ConfigurationSpace, Float
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
    learners = ChoicePipeline(
        [
            get_search_space(list(CLASSIFIERS), **sizes),
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
    keep: ClassVar[Callable[[Any, float], None] | None] = None
    scores: ClassVar[list[float]] = []

    @classmethod
    def begin(cls, clock: Clock, keep: Callable[[Any, float], None]) -> None:
        cls.clock, cls.keep, cls.scores = clock, keep, []

    @classmethod
    def add(cls, learner: Any, score: float) -> None:
        better = score > max(cls.scores, default=0.0)
        cls.scores.append(score)
        if cls.clock:
            cls.clock.report("searching", len(cls.scores), max(cls.scores))
        if cls.keep and better:
            cls.keep(clone(learner), score)


def accuracy(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Score a pipeline, report the progress and keep the best."""
    score = float(estimator.score(X, y))
    _Evaluations.add(estimator, score)
    return score


def complexity(pipeline: Any) -> float:
    """Count what a pipeline is made of: its steps and their parameters."""
    return float(len(plain_params(pipeline)))


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
    """One row an evaluated pipeline; see `fmnist_lib.search.result.Found`."""
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


def _best(evaluated: pd.DataFrame, growth: float, seconds: float | None) -> int:
    """Number of the most accurate pipeline whose refit fits the time that is left.

    A refit is estimated from the evaluation in proportion to the rows, which are ``growth`` times
    as many. When none fits, the one with the quickest evaluation is taken; without a limit the
    most accurate one.
    """
    complete = evaluated[evaluated["value"].notna()]
    if complete.empty:
        raise SearchError(
            f"none of {len(evaluated)} pipelines could be evaluated: "
            f"{'; '.join(sorted(evaluated['reason'].dropna().unique()))}."
        )
    power = np.where(complete["pipeline"].str.contains("Kernel|KNeighbors"), 2.0, 1.0)
    refit_seconds = complete["duration"] * growth**power
    fitting = complete if seconds is None else complete[MARGIN * refit_seconds <= seconds]
    if fitting.empty:
        return int(refit_seconds.idxmin())
    return int(fitting["value"].idxmax())


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
