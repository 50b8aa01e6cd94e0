"""One candidate as an Optuna study: TPE over the space, successive halving over the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import optuna

from fmnist_lib.search.engines import shared_study
from fmnist_lib.search.engines.objective import BREAKDOWNS, Objective
from fmnist_lib.search.engines.recorded_fit import KnownFits
from fmnist_lib.search.engines.search_space import starting_points
from fmnist_lib.search.engines.studies import StudyFolder
from fmnist_lib.search.engines.trials import importances

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna import Study

    from fmnist_lib.config.search import OptunaCandidate
    from fmnist_lib.search.engines.job import Found, Job, Report


def search(candidate: OptunaCandidate, job: Job, report: Report) -> Found:
    """Search for the best recipe of a candidate.

    Trials are fitted on a sixteenth, a quarter and all of the rows (with the default
    ``reduction_factor`` of 4), and scored on the held-out ones (on a quarter of them at first).
    The pruner (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020)
    ends those that fall behind. A recipe that was fitted on more rows ranks above every one that
    was fitted on fewer; on as many, a starting point is replaced only by one that is better in
    McNemar's test at ``p_threshold``, without a correction for the number of trials. The search
    stops after ``trials``; without them when the time is needed for the fit on the training
    images, or after ``job.max_stagnation_trials`` trials without a better one (the rule of
    Optuna's ``BestValueStagnationEvaluator``).

    Parameters
    ----------
    candidate : OptunaCandidate
    job : Job
    report : callable
        See `fmnist_lib.search.engines.job.Report`.

    Raises
    ------
    SearchError
        Every trial broke down; the message holds the reasons.
    """
    # Failures and their reasons are in the trials' table.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study, objective = _prepare(candidate, job, report)
    if job.shared:
        _run_shared(study, objective, candidate.trials)
        shared_study.end(study)
    else:
        study.optimize(
            objective,
            n_trials=candidate.trials,
            callbacks=[objective.after_trial],
            catch=BREAKDOWNS,
        )
    return replace(objective.found(study), importances=importances(study))


def work(job: Job, send: Callable[[Any], None]) -> int:
    """Run trials of a study that another process made; return how many.

    Parameters
    ----------
    job : Job
        As `fmnist_lib.search.engines.shared_study.joined_job` gives it.
    send : callable
        Called after every trial with the number of all trials, and the accuracy of the best one.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    candidate: Any = job.candidate
    objective = Objective(
        candidate,
        job,
        lambda trials, best, _: send((trials, best)),
        len(starting_points(candidate, job.patch_sizes)),
    )
    study = shared_study.open_study(job, _pruner(candidate))
    _run_shared(study, objective, candidate.trials)
    return objective.n_run


def _prepare(candidate: OptunaCandidate, job: Job, report: Report) -> tuple[Study, Objective]:
    """Return the study, with its first trials enqueued, and its objective."""
    folder = StudyFolder(job.cache, candidate, job.data, job.study_name)
    # A search bounded by trials must be reproducible, so it ignores those of other runs.
    earlier = folder.best_point() if job.is_bounded_by_time and job.warm_start else None
    known = KnownFits()
    if job.shared:
        study = shared_study.open_study(job, _pruner(candidate))
    else:
        known = folder.known_fits()
        kept = job.is_bounded_by_time or job.study_name
        study = optuna.create_study(
            storage=folder.storage() if kept else None,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=job.seed),
            pruner=_pruner(candidate),
        )
    first = starting_points(candidate, job.patch_sizes)
    for point in [*first, *([earlier] if earlier else [])]:
        study.enqueue_trial(point, skip_if_exists=True)
    if job.shared:
        shared_study.describe(study, job)
    return study, Objective(candidate, job, report, len(first), known)


def _run_shared(study: Study, objective: Objective, n_trials: int | None) -> None:
    """Run trials until all workers together have run enough, or this one stops the search."""

    def run_one() -> None:
        study.optimize(objective, n_trials=1, callbacks=[objective.after_trial], catch=BREAKDOWNS)

    shared_study.run_trials(study, run_one, n_trials, lambda: objective.stopped is not None)
    objective.judge_new(study)


def _pruner(candidate: OptunaCandidate) -> optuna.pruners.BasePruner:
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=candidate.reduction_factor, min_early_stopping_rate=0
    )
