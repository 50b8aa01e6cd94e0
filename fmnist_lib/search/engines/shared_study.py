"""One study searched by several processes, on several hosts."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from fmnist_lib.common.errors import SearchError
from fmnist_lib.search.engines.job import Job, SharedStorage
from fmnist_lib.search.engines.shared_storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optuna import Study
    from optuna.trial import FrozenTrial

    from fmnist_lib.search.recipes.search_data import SearchData

logger = logging.getLogger(__name__)

#: Attributes of a study: what its workers need to know, and whether it has ended.
_DESCRIPTION, _ENDED = "description", "ended"
#: Attributes of a trial: who ran it, and whether it was one more than asked for.
WORKER, SURPLUS = "worker", "surplus"
#: Fields of a job that every worker takes from the run.
_COMMON = (
    "seed",
    "started",
    "deadline",
    "refit_share",
    "winner_refit_seconds",
    "patch_sizes",
    "memory_gib",
    "max_model_mb",
    "max_stagnation_trials",
    "confidence",
)
_POLL_SECONDS = 0.5
#: Names of studies that a message lists.
_MOST_NAMES = 5


def describe(study: Study, job: Job) -> None:
    """Write to a study what other workers need; from now on they may join."""
    assert job.shared is not None  # noqa: S101 (the study is shared)
    description = {
        "settings": job.shared.settings,
        "candidate": job.candidate.model_dump(mode="json"),
        "data": job.data.fingerprint,
        "heartbeat_seconds": job.shared.heartbeat_seconds,
        "job": {name: getattr(job, name) for name in _COMMON},
    }
    study.set_user_attr(_ENDED, value=False)
    study.set_user_attr(_DESCRIPTION, description)


def end(study: Study) -> None:
    """Tell the workers of a study that the run needs no more trials."""
    study.set_user_attr(_ENDED, value=True)


def read_description(address: str, study_name: str) -> dict[str, Any]:
    """Return what `describe` wrote.

    Raises
    ------
    SearchError
        The storage can't be used, or has no such study that may be joined.
    """
    storage = open_storage(address)
    try:
        study = optuna.load_study(study_name=study_name, storage=storage)
        attributes = study.user_attrs
    except KeyError:
        attributes = {}
    if _DESCRIPTION in attributes and not attributes.get(_ENDED):
        return dict(attributes[_DESCRIPTION])
    found = "one that has ended" if attributes.get(_ENDED) else "none of that name"
    names = running_studies(address)
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    # Whole names, as a worker needs them.
    listed = ", ".join(names[:_MOST_NAMES]) + rest if names else "none"
    raise SearchError(f"{study_name}: expected a running study, found {found}. Running: {listed}.")


def running_studies(address: str) -> list[str]:
    """Return the names of the studies that workers may join."""
    summaries = optuna.get_all_study_summaries(open_storage(address), include_best_trial=False)
    return sorted(
        one.study_name
        for one in summaries
        if _DESCRIPTION in one.user_attrs and not one.user_attrs.get(_ENDED)
    )


def joined_job(
    description: dict[str, Any],
    address: str,
    study_name: str,
    data: SearchData,
    **own: Any,
) -> Job:
    """Return the job of a worker that joins a study.

    Parameters
    ----------
    description : dict
        As `read_description` returns it.
    address, study_name : str
    data : SearchData
    **own
        ``cache`` and ``cores`` of this machine.

    Raises
    ------
    SearchError
        The worker has other images than the run.
    """
    from fmnist_lib.config.search import OptunaCandidate

    if data.fingerprint != description["data"]:
        raise SearchError(
            f"{study_name}: expected the images of the run, found others on this machine. Name "
            "their directory with --data-dir."
        )
    common = description["job"]
    return Job(
        candidate=OptunaCandidate.model_validate(description["candidate"]),
        data=data,
        study_name=study_name,
        shared=SharedStorage(address, description["heartbeat_seconds"], joined=True),
        **common | {"patch_sizes": tuple(common["patch_sizes"])} | own,
    )


def open_study(job: Job, pruner: optuna.pruners.BasePruner) -> Study:
    """Open the study of a job, or make it."""
    shared = job.shared
    assert shared is not None  # noqa: S101 (the study is shared)
    # Workers with the same seed would try the same points. The liar keeps them apart as well: it
    # takes the trials of the others, which have no result yet, for bad ones.
    sampler = optuna.samplers.TPESampler(
        seed=None if shared.joined else job.seed, constant_liar=True
    )
    return optuna.create_study(
        study_name=job.study_name,
        storage=open_storage(shared.address, shared.heartbeat_seconds),
        direction="maximize",
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )


def run_trials(
    study: Study,
    run_one: Callable[[], None],
    n_trials: int | None,
    is_over: Callable[[], bool],
) -> None:
    """Run trials of a shared study until all workers together have run enough.

    A worker that has nothing to start watches the trials of the others: one whose worker died is
    queued again.

    Parameters
    ----------
    study : Study
    run_one : callable
        Runs one trial with `optuna.study.Study.optimize`.
    n_trials : int or None
        Trials of all workers together; None: until ``is_over``.
    is_over : callable
        True if the search ended for another reason.
    """
    while not is_over() and not study.user_attrs.get(_ENDED):
        slots = slots_of(study.get_trials(deepcopy=False))
        if _may_start(slots, n_trials):
            try:
                run_one()
            # The objective's own errors are caught in there. These are Optuna's, for a trial that
            # the others have ended because this process sent no heartbeat for too long.
            except (UpdateFinishedTrialError, ValueError, AssertionError) as error:
                logger.warning("A trial of this worker was queued again: %r", error)
        elif any(trial.state == TrialState.RUNNING for trial in slots):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(study)
            time.sleep(_POLL_SECONDS)
        else:
            return


def slots_of(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count: without surplus ones and those that were queued again."""
    trials = list(trials)
    repeated = repeated_trials(trials)
    return [t for t in trials if t.number not in repeated and not t.user_attrs.get(SURPLUS)]


def repeated_trials(trials: Iterable[FrozenTrial]) -> dict[int, int]:
    """Return the numbers of the trials whose worker died, with those of their repetitions."""
    history = optuna.storages.RetryHeartbeatStaleTrialCallback.retry_history
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return {before: trial.number for trial in trials for before in history(trial)}


def is_surplus(study: Study, trial: optuna.Trial, n_trials: int | None) -> bool:
    """True if two workers started the last trial at once, and this one came second."""
    if n_trials is None:
        return False
    numbers = [one.number for one in slots_of(study.get_trials(deepcopy=False))]
    return sum(number < trial.number for number in numbers) >= n_trials


def worker_name() -> str:
    """Return host and process, as the trials show it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _may_start(slots: list[FrozenTrial], n_trials: int | None) -> bool:
    if n_trials is None or len(slots) < n_trials:
        return True
    return any(trial.state == TrialState.WAITING for trial in slots)
