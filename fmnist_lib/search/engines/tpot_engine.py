"""One candidate as a TPOT search: genetic programming over pipelines on reduced features."""

from __future__ import annotations

import logging
import math
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit

from fmnist_lib.common.errors import SearchError
from fmnist_lib.search.engines.job import OUT_OF_TIME, STAGNATION, Found
from fmnist_lib.search.engines.search_space import available
from fmnist_lib.search.engines.tpot_cluster import TpotCluster, connect
from fmnist_lib.search.engines.tpot_space import search_space
from fmnist_lib.search.recipes.fit_time import FitTime
from fmnist_lib.search.recipes.pipelines import feature_blocks
from fmnist_lib.search.recipes.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.config.search import TpotCandidate
    from fmnist_lib.search.engines.job import Job, Report

#: Rows of a sub-sample per second of the candidate's time, so that a short search still evaluates
#: some dozens of pipelines.
_ROWS_PER_SECOND = 50
#: As few as a configuration may ask for.
_LEAST_ROWS = 300
#: TPOT's limits must be numbers.
_NO_LIMIT_MINUTES = 24 * 60.0


def search(candidate: TpotCandidate, job: Job, report: Report) -> Found:
    """Evolve learners on principal components of patches and gradients.

    The columns are those that all candidates share, computed once before the search. Every
    pipeline is fitted on a sub-sample and scored on the held-out images, the same that score
    Optuna's trials; evolution weighs accuracy against the number of a pipeline's parameters.

    Parameters
    ----------
    candidate : TpotCandidate
    job : Job
    report : callable
        See `fmnist_lib.search.engines.job.Report`.

    Raises
    ------
    SearchError
        No pipeline could be evaluated.

    References
    ----------
    Olson and Moore, "TPOT: A Tree-based Pipeline Optimization Tool", 2016.
    """
    data = job.data
    rows = slice(0, data.fit_rows(_rows(candidate, job)).stop)
    n_fit = rows.stop - data.n_holdout
    params = block_params(candidate, job.patch_sizes)
    recipe = Recipe(feature_blocks(params), None)
    X, y = recipe.columns(job.store(), data, rows), data.labels[rows]
    # The held-out rows come first: they are fold 0, and the rest is fitted on.
    split = PredefinedSplit(np.repeat([0, -1], [data.n_holdout, n_fit]))
    seconds = candidate.search_share * job.remaining

    def found(learner: Any, trials: pd.DataFrame, number: int, stopped: str | None = None) -> Found:
        return Found(
            recipe=Recipe(recipe.blocks, learner),
            params=params | plain_params(learner),
            trials=trials,
            best_trial=int(trials["number"].iloc[number]),
            score=float(trials["value"].iloc[number]),
            description=f"{X.shape[1]} components, {_step_names(learner)}",
            front=trials[trials["on_front"]],
            fit_time=_fit_time(trials, number, n_fit) if job.is_bounded_by_time else None,
            stopped=stopped,
        )

    def report_best(better: Any, trials: pd.DataFrame) -> None:
        number = int(trials["value"].idxmax())
        best = None if better is None else found(better, trials, number)
        report(len(trials), float(trials["value"].iloc[number]), best)

    _Evaluations.begin(job.started, report_best)
    evolution = time.monotonic()
    with warnings.catch_warnings(), _cluster(job) as cluster:
        warnings.simplefilter("ignore")
        estimator = _estimator(candidate, job, seconds, split, X.shape, cluster)
        _evolve(estimator, X, y)
    trials = trials_frame(estimator.evaluated_individuals)
    number = _best(trials)
    best = estimator.evaluated_individuals["Instance"].iloc[number]
    in_time = time.monotonic() - evolution < seconds
    stopped = OUT_OF_TIME if job.is_bounded_by_time else None
    if (generations := _stagnation_generations(candidate, job)) and in_time:
        stopped = f"{STAGNATION} in its last {generations + 1} generations"
    return found(clone(best), trials, number, stopped)


def _stagnation_generations(candidate: TpotCandidate, job: Job) -> int | None:
    """Return TPOT's patience: it stops when more generations brought nothing better."""
    if job.max_stagnation_trials is None:
        return None
    return math.ceil(job.max_stagnation_trials / candidate.population)


def _rows(candidate: TpotCandidate, job: Job) -> int:
    """Return the rows to fit pipelines on."""
    if not job.is_bounded_by_time:
        return candidate.rows
    return min(candidate.rows, max(_LEAST_ROWS, int(_ROWS_PER_SECOND * job.remaining)))


def block_params(candidate: TpotCandidate, patch_sizes: tuple[str, ...]) -> dict[str, Any]:
    """Parameters of the feature blocks in front of every pipeline TPOT builds."""
    gradients = max(2, round(0.4 * candidate.components))
    return {
        "features": available("patches+gradients", patch_sizes),
        "patch_sizes": patch_sizes[-1] if patch_sizes else "",
        "patches_components": max(2, candidate.components - gradients),
        "gradients_components": gradients,
        "second_weight": 0.45,
        "antisymmetric_share": 0.36,
        "whitening": 0.65,
    }


def _estimator(  # noqa: PLR0917 (private, called once)
    candidate: TpotCandidate,
    job: Job,
    seconds: float,
    split: PredefinedSplit,
    shape: tuple[int, int],
    cluster: TpotCluster | None,
) -> Any:
    from tpot import TPOTEstimator

    n_samples, n_features = shape[0] - int((split.test_fold == 0).sum()), shape[1]
    timed = job.is_bounded_by_time
    minutes = max(seconds / 60, 0.05) if timed else _NO_LIMIT_MINUTES
    return TPOTEstimator(
        search_space=search_space(n_samples, n_features, job.seed),
        scorers=[accuracy],
        scorers_weights=[1],
        other_objective_functions=[complexity],
        other_objective_functions_weights=[-1],
        objective_function_names=["complexity"],
        classification=True,
        cv=split,
        population_size=candidate.population,
        generations=candidate.generations,
        early_stop=_stagnation_generations(candidate, job),
        # A simpler pipeline is no improvement.
        other_objectives_early_stop_tol=[None],
        max_time_mins=minutes,
        # None is a TypeError inside TPOT 1.1. A sixth is the ratio of TPOT's own defaults.
        max_eval_time_mins=minutes / 6 if timed else minutes,
        client=cluster,
        # Data that was scattered would be lost with the worker that has it.
        scatter=cluster is None,
        # Without a cluster, threads of this process: a pool of processes would each import TPOT
        # again, and the memory limit of Dask stalls threads.
        n_jobs=1,
        processes=False,
        memory_limit=0,
        verbose=0,
        random_state=job.seed,
    )


def _cluster(job: Job) -> AbstractContextManager[TpotCluster | None]:
    """Connect to the job's Dask cluster, if it has one."""
    if job.dask_scheduler is None:
        return nullcontext()

    def report(individual: Any, score: float) -> None:
        _Evaluations.add(individual.export_pipeline(), score)

    return connect(job.dask_scheduler, report)


class _Evaluations:
    """Scores of the pipelines evaluated so far in this process.

    TPOT has no callback, so its scorer reports. Dask serialises the scorer for every evaluation:
    only state reached through the module survives that, and one candidate has one process. The
    workers of a cluster have no `report`; there the results are seen on their way back to TPOT.
    """

    report: ClassVar[Callable[[Any, pd.DataFrame], None] | None] = None
    rows: ClassVar[list[dict[str, Any]]] = []
    started: ClassVar[float] = 0.0
    last: ClassVar[float] = 0.0

    @classmethod
    def begin(cls, started: float, report: Callable[[Any, pd.DataFrame], None]) -> None:
        cls.started, cls.last = started, time.time() - started
        cls.rows, cls.report = [], report

    @classmethod
    def add(cls, learner: Any, score: float) -> None:
        if cls.report is None:
            return
        is_better = score > max((row["value"] for row in cls.rows), default=0.0)
        seconds = time.time() - cls.started
        cls.rows.append(
            {
                "number": len(cls.rows),
                "state": "complete",
                "value": score,
                "seconds": seconds,
                "duration": seconds - cls.last,
                "reason": None,
                "complexity": complexity(learner),
                # Known only at the end of the evolution.
                "on_front": False,
                "pipeline": _step_names(learner),
            }
        )
        cls.last = seconds
        cls.report(clone(learner) if is_better else None, pd.DataFrame(cls.rows))


def accuracy(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Score a pipeline, report the progress and keep the best."""
    score = float(estimator.score(X, y))
    _Evaluations.add(estimator, score)
    return score


def complexity(pipeline: Any) -> float:
    """Return the number of parameters of a pipeline."""
    return float(len(plain_params(pipeline)))


def _evolve(estimator: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Run the evolution; any failure of TPOT is a `SearchError`."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        estimator.fit(X, y)
    except SearchError:
        raise
    except Exception as error:
        raise SearchError(
            f"TPOT ended without a pipeline ({type(error).__name__}: {error}). "
            "Give the candidate more time or fewer rows."
        ) from error


def trials_frame(individuals: pd.DataFrame) -> pd.DataFrame:
    """One row per evaluated pipeline; see `fmnist_lib.search.engines.job.Found`."""
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
            "reason": errors.where(errors.notna() | value.notna(), OUT_OF_TIME),
            "complexity": pd.to_numeric(frame.get("complexity"), errors="coerce"),
            "on_front": (front == 1) & value.notna(),
            "pipeline": [_step_names(instance) for instance in frame["Instance"]],
        }
    )


def _best(evaluated: pd.DataFrame) -> int:
    """Return the number of the most accurate pipeline."""
    if not evaluated["value"].notna().any():
        raise SearchError(
            f"none of {len(evaluated)} pipelines could be evaluated: "
            f"{'; '.join(sorted(evaluated['reason'].dropna().unique()))}. "
            "Give it more time or fewer rows."
        )
    return int(evaluated["value"].idxmax())


def _fit_time(evaluated: pd.DataFrame, number: int, n_fit: int) -> FitTime:
    """Return the time of the fit of a pipeline, its scoring included."""
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
