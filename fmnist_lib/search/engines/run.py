"""Run a job: search, fit the best recipe on the training images, validate it."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.calibration import fit_matrix_scaling, scaled_out_of_fold
from fmnist_lib.common.statistics import wilson
from fmnist_lib.evaluation.metrics import log_loss
from fmnist_lib.features.chunks import available_threads
from fmnist_lib.models.kernel import KernelClassifier
from fmnist_lib.search.engines.job import STAGNATION, Found, Job, Report
from fmnist_lib.search.engines.result import CandidateResult, Progress
from fmnist_lib.search.recipes.fit_time import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable


def run(work: tuple[Job, Found | None], send: Callable[[Any], None]) -> CandidateResult:
    """Search, refit on the training images, and score on the validation images once.

    If there is not enough time to fit on all training images, the refit uses fewer.

    Parameters
    ----------
    work : tuple of Job and Found or None
        What a search found that was killed; None: search.
    send : callable
        Called with every `Progress`, and with every `Found` that is better than the last.
    """
    job, found = work

    def report(trials: int, best: float | None, better: Found | None = None) -> None:
        if better is not None:
            send(better)
        send(Progress("searching", time.time() - job.started, trials, best))

    if found is None:
        found = _search(job, report)
    seconds = time.time() - job.started
    send(Progress("refitting", seconds, len(found.trials), found.score))
    rows = job.data.n_train
    if found.fit_time:
        limit = min(job.refit_limit, max(job.remaining, 0.0))
        if found.stopped and found.stopped.startswith(STAGNATION):
            # The deadline is far away, but a fit may take no longer than its search did.
            limit = min(limit, seconds)
        rows = found.fit_time.rows_in(limit, rows, available_threads())
    return _validated(job, found, seconds, rows)


def _search(job: Job, report: Report) -> Found:
    """Dispatch to the engine; only the engine that is used gets imported."""
    candidate = job.candidate
    if candidate.engine == "baseline":
        from fmnist_lib.search.engines.baseline import baseline

        return baseline(candidate, job.seed)
    if candidate.engine == "tpot":
        from fmnist_lib.search.engines import tpot_engine

        return tpot_engine.search(candidate, job, report)
    if candidate.engine == "optuna":
        from fmnist_lib.search.engines import optuna_engine

        return optuna_engine.search(candidate, job, report)
    raise ValueError(f"no engine searches a candidate of the engine {candidate.engine!r}")


def _validated(job: Job, found: Found, search_seconds: float, n_rows: int) -> CandidateResult:
    """Fit on training images and score on the validation images."""
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
        validation_log_loss=log_loss(labels, probabilities),
        validation_correct=correct,
        validation_probabilities=probabilities.astype("float32"),
        params=found.params,
        trials=found.trials,
        best_trial=found.best_trial,
        front=found.front,
        importances=found.importances,
        stopped=found.stopped,
        learning_curve=found.learning_curve,
        model_mb=len(pickle.dumps(pipeline)) / 1e6,
        search_seconds=search_seconds,
        fit_seconds=fit_seconds,
        fit_rows=n_rows,
        fit_time=found.fit_time
        and replace(found.fit_time, rows=n_rows, seconds=fit_seconds, threads=threads),
    )


def _calibrated(learner: Any, recipe: Any, columns: Any, labels: Any) -> tuple[Any, Any, Any]:
    """Calibrate a kernel on the validation images, for the winner's refit as well.

    Also returns the probabilities of the validation images. They are calibrated on the other folds
    of them: a hundred numbers would look better on the images that they were fitted on.
    """
    if not isinstance(learner, KernelClassifier):
        return learner, recipe, learner.predict_proba(columns)
    scores = learner.decision_function(columns)
    scaling = fit_matrix_scaling(scores, labels)
    learner.rescale(scaling)
    recipe = recipe.with_learner(scaling=scaling)
    return learner, recipe, scaled_out_of_fold(scores, labels)
