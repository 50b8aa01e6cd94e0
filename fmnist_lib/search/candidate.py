"""One candidate from search to validated pipeline. Runs in a process of its own."""

from __future__ import annotations

import pickle
import time
from typing import TYPE_CHECKING, Any

from fmnist_lib.models.kernel import KernelClassifier, fit_temperature
from fmnist_lib.search.clock import Clock
from fmnist_lib.search.result import CandidateResult, Found
from fmnist_lib.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.search.job import Job
    from fmnist_lib.search.result import Progress


def run(
    job: Job,
    report: Callable[[Progress], None],
    keep: Callable[[Found], None],
    found: Found | None = None,
) -> CandidateResult:
    """Search, refit on all training images, and score on the validation images once.

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
    race = job.race()
    limit = race.start() if race else job.seconds
    clock = Clock(limit, job.refit_seconds, report, race, job.data.n_holdout)
    clock.report("starting")
    found = found or _find(job, clock, keep)
    n_trials, search_seconds = len(found.trials), clock.seconds
    clock.report("refitting", n_trials, found.score)
    try:
        return _validated(job, found, search_seconds)
    finally:
        if race:
            race.end()


def _find(job: Job, clock: Clock, keep: Callable[[Found], None]) -> Found:
    """Dispatch to the engine. Only the engine that is used gets imported."""
    candidate = job.candidate
    if candidate.engine == "baseline":
        from fmnist_lib.search.baseline import baseline

        return baseline(candidate, job.seed)
    if candidate.engine == "tpot":
        from fmnist_lib.search import tpot_engine

        return tpot_engine.search(candidate, job, clock, keep)
    if candidate.engine == "optuna":
        from fmnist_lib.search import optuna_engine

        return optuna_engine.search(candidate, job, clock, keep)
    raise ValueError(f"no engine searches a candidate of the engine {candidate.engine!r}")


def _validated(job: Job, found: Found, search_seconds: float) -> CandidateResult:
    """Fit on all training images and score on the validation images."""
    from sklearn.metrics import log_loss

    data, store, recipe = job.data, job.store(), found.recipe
    start = time.monotonic()
    learner = recipe.fit_learner(store, data, data.train_rows)
    fit_seconds = time.monotonic() - start
    columns = recipe.columns(store, data, data.validation_rows)
    labels = data.labels[data.validation_rows]
    learner, recipe = _calibrated(learner, recipe, columns, labels)
    probabilities = learner.predict_proba(columns)
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
        predict_ms_per_image=_milliseconds(pipeline, data.images[data.validation_rows]),
        model_mb=len(pickle.dumps(pipeline)) / 1e6,
        search_seconds=search_seconds,
        fit_seconds=fit_seconds,
    )


def _calibrated(learner: Any, recipe: Any, columns: Any, labels: Any) -> tuple[Any, Any]:
    """Set a kernel's temperature by the validation images, for the champion's refit as well.

    One number: what it gains on the images it was set on is beyond measuring.
    """
    if not isinstance(learner, KernelClassifier):
        return learner, recipe
    temperature = fit_temperature(learner.decision_function(columns), labels)
    learner.temperature_ = temperature
    return learner, recipe.with_learner(temperature=temperature)


def _milliseconds(pipeline: Any, images: Any, n: int = 1000) -> float:
    """Wall time of a prediction in a batch, on the threads that this process has."""
    batch = images[:n]
    pipeline.predict_proba(batch[:100])
    start = time.monotonic()
    pipeline.predict_proba(batch)
    return 1000 * (time.monotonic() - start) / len(batch)
