"""One candidate as a TPOT search: genetic programming over pipelines on reduced features."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import Pipeline

from fmnist_lib.errors import SearchError
from fmnist_lib.search.pipelines import build_pipeline
from fmnist_lib.search.result import Found
from fmnist_lib.search.tuning import REFIT_MARGIN

if TYPE_CHECKING:
    from fmnist_lib.config import TpotCandidate
    from fmnist_lib.search.tuning import Clock, TuningRows

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
#: Used where no time limit is wanted: TPOT cannot do without a number.
NO_LIMIT_MINUTES = 24 * 60.0


def search(candidate: TpotCandidate, rows: TuningRows, clock: Clock, seed: int) -> Found:
    """Evolve pipelines on principal components of pixels and gradients.

    The features are computed once, before the evolution; every pipeline is fitted on the rows
    and scored on the held-out ones, the same that score Optuna's trials.

    Parameters
    ----------
    candidate : TpotCandidate
    rows : TuningRows
    clock : Clock
    seed : int

    Raises
    ------
    SearchError
        No pipeline could be evaluated.

    References
    ----------
    Olson and Moore, "TPOT: A Tree-based Pipeline Optimization Tool", 2016.
    """
    front = _front(candidate, seed)
    columns = front.fit_transform(rows.images)
    X = np.vstack([columns, front.transform(rows.holdout_images)])
    y = np.concatenate([rows.labels, rows.holdout_labels])
    split = PredefinedSplit(np.repeat([-1, 0], [len(rows.labels), len(rows.holdout_labels)]))
    estimator = _estimator(candidate, clock, seed, split, len(rows.labels), X.shape[1])
    _Evaluations.clock, _Evaluations.scores = clock, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _evolve(estimator, X, y)
    evaluated = trials_frame(estimator.evaluated_individuals)
    seconds = None if candidate.generations else min(clock.remaining, clock.refit_limit)
    number = _best(evaluated, rows, seconds)
    best = estimator.evaluated_individuals["Instance"].iloc[number]
    return Found(
        pipeline=Pipeline([*clone(front).steps, ("classify", clone(best))]),
        params=plain_params(best),
        trials=evaluated,
        description=f"{candidate.components} components, {_step_names(best)}",
    )


def _front(candidate: TpotCandidate, seed: int) -> Pipeline:
    """Feature steps in front of every pipeline TPOT builds."""
    gradients = max(1, 2 * candidate.components // 3)
    params = {
        "family": "logistic",
        "features": "both",
        "normalise": "none",
        "cells": 7,
        "pixel_components": max(1, candidate.components - gradients),
        "gradient_components": gradients,
        "scale": "columns",
        "C": 1.0,
    }
    return build_pipeline(params, seed)[:-1]


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
    from tpot.config import get_search_space
    from tpot.search_spaces.pipelines import SequentialPipeline

    sizes = {
        "n_classes": 10,
        "n_samples": n_samples,
        "n_features": n_features,
        "random_state": seed,
    }
    steps = (SCALERS, TRANSFORMERS, CLASSIFIERS)
    return SequentialPipeline([get_search_space(list(names), **sizes) for names in steps])


class _Evaluations:
    """Scores of the pipelines evaluated so far in this process.

    TPOT has no callback, so its scorer reports. Dask serialises the scorer for every evaluation:
    only state reached through the module survives that, and one candidate has one process.
    """

    clock: Clock | None = None
    scores: ClassVar[list[float]] = []


def accuracy(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Score a pipeline and report the progress."""
    score = float(estimator.score(X, y))
    _Evaluations.scores.append(score)
    if _Evaluations.clock:
        scores = _Evaluations.scores
        _Evaluations.clock.report("searching", len(scores), max(scores))
    return score


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
            "pipeline": [_step_names(instance) for instance in frame["Instance"]],
        }
    )


def _best(evaluated: pd.DataFrame, rows: TuningRows, seconds: float | None) -> int:
    """Number of the most accurate pipeline whose refit fits the time that is left.

    A refit is estimated from the evaluation in proportion to the rows. When none fits, the one
    with the quickest evaluation is taken; without a limit the most accurate one.
    """
    complete = evaluated[evaluated["value"].notna()]
    if complete.empty:
        raise SearchError(
            f"none of {len(evaluated)} pipelines could be evaluated: "
            f"{'; '.join(sorted(evaluated['reason'].dropna().unique()))}."
        )
    refit_seconds = complete["duration"] * rows.n_train / len(rows.labels)
    fitting = complete if seconds is None else complete[REFIT_MARGIN * refit_seconds <= seconds]
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
