"""One candidate from search to validated pipeline. Runs in a process of its own."""

from __future__ import annotations

import pickle
import time
import warnings
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fmnist_lib.search.result import CandidateResult, Found
from fmnist_lib.search.tuning import Clock, tuning_rows
from fmnist_lib.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from fmnist_lib.search.job import Job
    from fmnist_lib.search.result import Progress


def run(job: Job, report: Callable[[Progress], None]) -> CandidateResult:
    """Search, refit on all training images, and score on the validation images once."""
    clock = Clock(job.seconds, job.refit_seconds, report)
    clock.report("starting")
    found = _find(job, clock)
    n_trials = len(found.trials)
    best = found.trials["value"].max() if n_trials else None
    search_seconds = clock.seconds
    clock.report("refitting", n_trials, best)
    data = job.data
    fit_start = clock.seconds
    pipeline = fit(found.pipeline, data.train_images, data.train_labels)
    fit_seconds = clock.seconds - fit_start
    clock.report("validating", n_trials, best)
    return _validated(job, found, pipeline, search_seconds, fit_seconds)


def fit(pipeline: Any, images: np.ndarray, labels: np.ndarray) -> Any:
    """Return a copy of the pipeline fitted on the images.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Stays as it is.
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of uint8, shape (n,)
    """
    with warnings.catch_warnings():
        # The number of iterations is one of the parameters: stopping at it is intended.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(pipeline).fit(images, labels)


def _find(job: Job, clock: Clock) -> Found:
    """Dispatch to the engine. Only the engine that is used gets imported."""
    candidate = job.candidate
    if candidate.engine == "baseline":
        from fmnist_lib.search.baseline import baseline

        return baseline(candidate, job.seed)
    rows = tuning_rows(job.data, candidate.rows, job.holdout_share, job.seed)
    if candidate.engine == "tpot":
        from fmnist_lib.search import tpot_engine

        return tpot_engine.search(candidate, rows, clock, job.seed)
    from fmnist_lib.search import optuna_engine

    return optuna_engine.search(candidate, rows, clock, job.seed)


def _validated(
    job: Job, found: Found, pipeline: Any, search_seconds: float, fit_seconds: float
) -> CandidateResult:
    from sklearn.metrics import log_loss

    images, labels = job.data.validation_images, job.data.validation_labels
    start = time.monotonic()
    probabilities = pipeline.predict_proba(images)
    predict_seconds = time.monotonic() - start
    correct = pipeline.classes_[probabilities.argmax(axis=1)] == labels
    return CandidateResult(
        id=job.candidate.id,
        engine=job.candidate.engine,
        description=found.description,
        pipeline=pipeline,
        validation_accuracy=wilson(int(correct.sum()), len(correct), job.confidence),
        validation_log_loss=float(log_loss(labels, probabilities, labels=pipeline.classes_)),
        validation_correct=correct,
        params=found.params,
        trials=found.trials,
        predict_ms_per_image=1000 * predict_seconds / len(labels),
        model_mb=len(pickle.dumps(pipeline)) / 1e6,
        search_seconds=search_seconds,
        fit_seconds=fit_seconds,
    )
