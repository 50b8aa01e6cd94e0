"""One candidate from search to validated pipeline, in a process of its own."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.search import BaselineCandidate, OptunaCandidate, is_bounded
from fmnist_lib.evaluation.latency import milliseconds_per_image
from fmnist_lib.features.chunks import available_threads
from fmnist_lib.models.kernel import KernelClassifier, fit_temperature
from fmnist_lib.search.engines.job import Found, Job
from fmnist_lib.search.execution.cores import share_cores
from fmnist_lib.search.execution.isolated import run_isolated
from fmnist_lib.search.execution.result import CandidateResult, Progress
from fmnist_lib.search.recipes.fit_time import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.engines.job import Report
    from fmnist_lib.search.execution.budget import Budget
    from fmnist_lib.search.recipes.search_data import SearchData

#: Other extractors than the shared ones cost more than a shorter search has.
_EXPLORING_MINUTES = 15.0
#: With less time a candidate of the engine does not start: imports, and TPOT's first generation.
_LEAST_SECONDS = {"optuna": 8.0, "tpot": 25.0}
#: A search is killed when it takes longer than its limit by this factor.
_OVERRUN = 1.15


def make_job(
    settings: Settings, candidate_id: str, data: SearchData, budget: Budget, cache: Path
) -> Job:
    """Return the job of a configured candidate that starts now."""
    search = settings.search
    candidate = search.candidate(candidate_id)
    bounds: dict[str, Any] = {}
    if isinstance(candidate, BaselineCandidate):
        bounds = {"deadline": budget.search_deadline}
    elif not is_bounded(candidate):
        bounds = {"deadline": budget.deadline_of(candidate_id)}
        if search.early_stop:
            bounds |= {"max_stagnation_trials": search.max_stagnation_trials}
        if isinstance(candidate, OptunaCandidate) and search.minutes < _EXPLORING_MINUTES:
            candidate = candidate.model_copy(update={"explore": False})
    return Job(
        candidate=candidate,
        data=data,
        seed=settings.seed,
        cache=cache,
        cores=budget.cores,
        patch_sizes=budget.patch_sizes,
        memory_gib=search.memory_gib or free_gibibytes() / 2,
        max_model_mb=search.max_model_mb,
        warm_start=search.warm_start,
        confidence=settings.evaluation.confidence,
        **bounds,
    )


def free_gibibytes() -> float:
    """Return the memory that is available without swapping, in GiB."""
    import psutil

    return float(psutil.virtual_memory().available / 2**30)


def search_candidate(
    job: Job, on_progress: Callable[[Progress], None] = lambda _: None
) -> CandidateResult:
    """Run one candidate in a process of its own; a failure is a result with the reason.

    A search that is killed after it found something is not lost: another process fits its best
    pipeline.

    Parameters
    ----------
    job : Job
    on_progress : callable
        Called with every `Progress`.
    """
    least = _LEAST_SECONDS.get(job.candidate.engine, 0.0)
    if job.remaining < least:
        return _failure(
            job,
            f"{max(job.remaining, 0):.0f} s of the search were left when its turn came, expected "
            f"at least {least:.0f}. Give the search more minutes or fewer candidates.",
        )
    watch = _Watch(job, on_progress)
    with share_cores(job.cache / "running", job.cores) as threads:
        call = partial(
            run_isolated, on_message=watch.receive, overdue=watch.overdue, threads=threads
        )
        outcome = call(run, (job, None))
        # A fit that was killed would be killed again.
        if outcome.error and watch.found and watch.phase == "searching":
            searched, stopped = time.time() - job.started, f"cut off: {outcome.error}"
            watch.phase = "refitting"
            outcome = call(run, (job, replace(watch.found, stopped=stopped)))
            if outcome.result:
                return replace(outcome.result, search_seconds=searched)
    return outcome.result or _failure(job, outcome.error)


def _failure(job: Job, reason: str | None) -> CandidateResult:
    seconds = time.time() - job.started
    return CandidateResult(
        job.candidate.id, job.candidate.engine, search_seconds=seconds, error=reason
    )


class _Watch:
    """What the parent process knows of a candidate, and when it ends it.

    Parameters
    ----------
    job : Job
    on_progress : callable
    """

    def __init__(self, job: Job, on_progress: Callable[[Progress], None]) -> None:
        self.phase = "searching"
        self.found: Found | None = None
        self._job, self._on_progress = job, on_progress

    def receive(self, message: Progress | Found) -> None:
        """Keep the best pipeline so far, and pass progress on."""
        if isinstance(message, Found):
            self.found = message
        else:
            self.phase = message.phase
            self._on_progress(message)

    def overdue(self) -> str | None:
        """Return the reason to kill the candidate's process, else None."""
        job, seconds = self._job, time.time() - self._job.started
        limit = _OVERRUN * getattr(job.candidate, "search_share", 1.0) * job.seconds
        if self.phase == "refitting":
            # What was found is not lost to an estimate that was too low.
            limit = job.seconds + job.refit_limit
        return f"timed out after {seconds:.0f} s while {self.phase}" if seconds > limit else None


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
        stopped=found.stopped,
        predict_ms_per_image=milliseconds_per_image(pipeline, data.images[data.validation_rows]),
        model_mb=len(pickle.dumps(pipeline)) / 1e6,
        search_seconds=search_seconds,
        fit_seconds=fit_seconds,
        fit_rows=n_rows,
        fit_time=found.fit_time
        and replace(found.fit_time, rows=n_rows, seconds=fit_seconds, threads=threads),
    )


def _calibrated(learner: Any, recipe: Any, columns: Any, labels: Any) -> tuple[Any, Any, Any]:
    """Fit a kernel's temperature on the validation images, for the winner's refit as well.

    One number: the optimism on the images it was fitted on is negligible. Also returns the
    probabilities of the validation images.
    """
    if not isinstance(learner, KernelClassifier):
        return learner, recipe, learner.predict_proba(columns)
    scores = learner.decision_function(columns)
    learner.temperature_ = fit_temperature(scores, labels)
    probabilities = softmax(scores / np.float32(learner.temperature_), axis=1)
    return learner, recipe.with_learner(temperature=learner.temperature_), probabilities
