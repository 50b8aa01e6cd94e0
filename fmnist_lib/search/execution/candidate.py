"""One candidate from search to validated pipeline. Runs in a process of its own."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from fmnist_lib.common.statistics import wilson
from fmnist_lib.features.chunks import available_threads, one_thread
from fmnist_lib.models.kernel import KernelClassifier, fit_temperature
from fmnist_lib.search.execution.clock import MARGIN, Clock
from fmnist_lib.search.execution.result import CandidateResult, Found, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.search.execution.job import Job
    from fmnist_lib.search.execution.result import Progress


def run(
    job: Job,
    report: Callable[[Progress], None],
    keep: Callable[[Found], None],
    found: Found | None = None,
) -> CandidateResult:
    """Search, refit on the training images, and score on the validation images once.

    Where the time does not allow all training images, the refit takes as many as it does.

    Parameters
    ----------
    job : Job
    report : callable
        Called with every `Progress`.
    keep : callable
        Called with the best `Found` so far whenever there is a better one.
    found : Found, optional
        The end of a search that was cut off: it is not searched again.
    """
    clock = Clock(job.seconds, report, job.race, job.data.n_holdout)
    clock.report("starting")
    found = found or _find(job, clock, keep)
    search_seconds = clock.seconds
    clock.report("refitting", len(found.trials), found.score)
    return _validated(job, found, search_seconds, _rows(job, found, clock))


def _find(job: Job, clock: Clock, keep: Callable[[Found], None]) -> Found:
    """Dispatch to the engine. Only the engine that is used gets imported."""
    candidate = job.candidate
    if candidate.engine == "baseline":
        from fmnist_lib.search.engines.baseline import baseline

        return baseline(candidate, job.seed)
    if candidate.engine == "tpot":
        from fmnist_lib.search.engines import tpot_engine

        return tpot_engine.search(candidate, job, clock, keep)
    if candidate.engine == "optuna":
        from fmnist_lib.search.engines import optuna_engine

        return optuna_engine.search(candidate, job, clock, keep)
    raise ValueError(f"no engine searches a candidate of the engine {candidate.engine!r}")


def _rows(job: Job, found: Found, clock: Clock) -> int:
    """Training images that there is time to fit on."""
    if found.fit_time is None:
        return job.data.n_train
    limit = clock.train_limit / MARGIN
    return found.fit_time.rows_in(limit, job.data.n_train, available_threads())


def _validated(job: Job, found: Found, search_seconds: float, n_rows: int) -> CandidateResult:
    """Fit on training images and score on the validation images."""
    from sklearn.metrics import log_loss

    data, store, recipe = job.data, job.store(), found.recipe
    watch = Stopwatch()
    learner = recipe.fit_learner(store, data, slice(0, n_rows))
    fit_seconds, threads = watch.read()
    columns = recipe.columns(store, data, data.validation_rows)
    labels = data.labels[data.validation_rows]
    learner, recipe, probabilities = _calibrated(learner, recipe, columns, labels)
    correct = learner.classes_[probabilities.argmax(axis=1)] == labels
    pipeline = recipe.pipeline(store, learner)
    return CandidateResult(
        id=job.candidate.id,
        engine=job.candidate.engine,
        description=found.description,
        recipe=recipe,
        pipeline=pipeline,
        trial_accuracy=found.score,
        validation_accuracy=wilson(int(correct.sum()), len(correct), job.confidence),
        validation_log_loss=float(log_loss(labels, probabilities, labels=learner.classes_)),
        validation_correct=correct,
        validation_probabilities=probabilities.astype("float32"),
        params=found.params,
        trials=found.trials,
        front=found.front,
        importances=found.importances,
        predict_ms_per_image=milliseconds_per_image(pipeline, data.images[data.validation_rows]),
        model_mb=len(pickle.dumps(pipeline)) / 1e6,
        search_seconds=search_seconds,
        fit_seconds=fit_seconds,
        fit_rows=n_rows,
        fit_time=found.fit_time
        and replace(found.fit_time, rows=n_rows, seconds=fit_seconds, threads=threads),
    )


def _calibrated(learner: Any, recipe: Any, columns: Any, labels: Any) -> tuple[Any, Any, Any]:
    """Set a kernel's temperature by the validation images, for the champion's refit as well.

    One number: what it gains on the images it was set on is beyond measuring. Also returns the
    probabilities of the validation images.
    """
    if not isinstance(learner, KernelClassifier):
        return learner, recipe, learner.predict_proba(columns)
    scores = learner.decision_function(columns)
    learner.temperature_ = fit_temperature(scores, labels)
    probabilities = softmax(scores / np.float32(learner.temperature_), axis=1)
    return learner, recipe.with_learner(temperature=learner.temperature_), probabilities


def milliseconds_per_image(pipeline: Any, images: Any, n: int = 1000) -> float:
    """Wall time of a prediction in a batch, on one processor core.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
    images : ndarray of uint8, shape (n_images, 28, 28)
    n : int, default=1000
        Images of the batch, if there are so many.
    """
    batch = images[:n]
    with one_thread():
        pipeline.predict_proba(batch[:100])
        start = time.monotonic()
        pipeline.predict_proba(batch)
    return 1000 * (time.monotonic() - start) / len(batch)
