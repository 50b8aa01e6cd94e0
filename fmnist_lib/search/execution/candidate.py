"""One candidate from search to validated pipeline, in a process of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.cores import share_cores
from fmnist_lib.common.process import available_memory
from fmnist_lib.config.search import BaselineCandidate, is_bounded
from fmnist_lib.search.engines.job import Found, Job, SharedStorage
from fmnist_lib.search.engines.result import CandidateResult, Progress
from fmnist_lib.search.engines.run import run
from fmnist_lib.search.execution.isolated import Outcome, run_isolated
from fmnist_lib.search.recipes.pipelines import patch_sizes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.execution.budget import Budget
    from fmnist_lib.search.recipes.search_data import SearchData

#: With less time a candidate of the engine does not start: imports, and TPOT's first generation.
_LEAST_SECONDS = {"optuna": 8.0, "tpot": 25.0}
#: A process is killed so many seconds after its deadline, which a search keeps by itself. Its
#: start and imports take up to half of them on a busy machine.
_GRACE_SECONDS = 10.0
#: Progress is reported again after so many seconds without news, so that the time goes on. Slightly
#: more than the card's refresh interval, which would let only every second report through.
_HEARTBEAT_SECONDS = 2.5


def make_job(
    settings: Settings, candidate_id: str, data: SearchData, budget: Budget, cache: Path
) -> Job:
    """Return the job of a configured candidate that starts now."""
    search = settings.search
    candidate = search.candidate(candidate_id)
    bounds: dict[str, Any] = {}
    if isinstance(candidate, BaselineCandidate):
        # Beside searches that have no deadline, it needs none either.
        bounds = {} if search.is_bounded else {"deadline": budget.search_deadline}
    elif not is_bounded(candidate):
        bounds = {
            "deadline": budget.deadline_of(candidate_id),
            "winner_refit_seconds": budget.refit_seconds,
            "refit_share": search.refit_share,
        }
        if search.early_stop:
            bounds |= {"max_stagnation_trials": search.max_stagnation_trials}
    if search.study_storage:
        bounds["shared"] = SharedStorage(
            search.study_storage, search.heartbeat_seconds, settings.model_dump(mode="json")
        )
    return Job(
        candidate=candidate,
        data=data,
        seed=settings.seed,
        cache=cache,
        hang_seconds=60 * search.hang_minutes,
        cores=budget.cores,
        patch_sizes=patch_sizes(search),
        memory_gib=search.memory_gib or available_memory() / 2**31,
        max_model_mb=search.max_model_mb,
        warm_start=search.warm_start,
        confidence=settings.evaluation.confidence,
        dask_scheduler=search.dask_scheduler,
        **bounds,
    )


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

        def call(found: Found | None) -> Outcome:
            return run_isolated(run, (job, found), watch.receive, watch.overdue, threads)

        outcome = call(None)
        # A fit that was killed would be killed again.
        if outcome.error and watch.found and watch.phase == "searching":
            searched, stopped = time.time() - job.started, f"cut off: {outcome.error}"
            watch.start_refit()
            outcome = call(replace(watch.found, stopped=stopped))
            if outcome.result:
                return replace(outcome.result, search_seconds=searched)
    return outcome.result or _failure(job, outcome.error)


def _failure(job: Job, reason: str | None) -> CandidateResult:
    seconds = time.time() - job.started
    return CandidateResult(
        job.candidate.id, job.candidate.engine, search_seconds=seconds, error=reason
    )


class _Watch:
    """Progress of a candidate as reported to the parent process, and its time limit.

    Parameters
    ----------
    job : Job
    on_progress : callable
    """

    def __init__(self, job: Job, on_progress: Callable[[Progress], None]) -> None:
        self.phase = "searching"
        self.found: Found | None = None
        self._job, self._on_progress = job, on_progress
        self._last, self._reported = Progress("searching", 0.0), time.time()
        # By a clock that nobody sets.
        self._heard = time.monotonic()

    def start_refit(self) -> None:
        """Watch the process that fits the best pipeline of a search that was killed."""
        self.phase, self._heard = "refitting", time.monotonic()

    def receive(self, message: Progress | Found) -> None:
        """Keep the best pipeline so far, and pass progress on."""
        self._heard = time.monotonic()
        if isinstance(message, Found):
            self.found = message
        else:
            self._show(message)

    def _show(self, progress: Progress) -> None:
        self.phase = progress.phase
        self._last, self._reported = progress, time.time()
        self._on_progress(progress)

    def overdue(self) -> str | None:
        """Return the reason to kill the candidate's process, else None."""
        job, seconds = self._job, time.time() - self._job.started
        if time.time() - self._reported > _HEARTBEAT_SECONDS:
            self._show(replace(self._last, phase=self.phase, seconds=seconds))
        if not job.is_bounded_by_time:
            return self._hangs()
        limit = job.seconds + _GRACE_SECONDS
        if self.phase == "refitting":
            # In a process of its own if the search was killed.
            limit += job.refit_limit + _GRACE_SECONDS
        if seconds <= limit:
            return None
        return (
            f"timed out after {seconds:.0f} s while {self.phase}, expected at most {limit:.0f} s. "
            "Give it more minutes, or smaller models"
        )

    def _hangs(self) -> str | None:
        limit = self._job.hang_seconds
        if time.monotonic() - self._heard <= limit:
            return None
        return (
            f"hung: it finished nothing in {limit / 60:g} minutes while {self.phase}. Raise "
            "search.hang_minutes if a single fit takes that long"
        )
