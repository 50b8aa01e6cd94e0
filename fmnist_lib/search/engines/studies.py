"""Optuna studies cached across runs."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.search import OptunaCandidate
    from fmnist_lib.search.recipes.search_data import SearchData

logger = logging.getLogger(__name__)


class StudyFolder:
    """The studies of one candidate on one arrangement of one data set.

    A study is written as a journal, trial by trial: a crash loses nothing that was finished.
    Studies of another arrangement are not looked at: what was held out there may be fitted on
    here, and the other way round.

    Parameters
    ----------
    cache : path
    candidate : OptunaCandidate
        Another space is another candidate.
    data : SearchData
    """

    def __init__(self, cache: Path, candidate: OptunaCandidate, data: SearchData) -> None:
        digest = hashlib.sha256(np.ascontiguousarray(data.images).data)
        digest.update(np.ascontiguousarray(data.labels).data)
        space = candidate.model_dump_json(exclude={"share", "trials"})
        digest.update(f"{data.n_holdout} {data.n_train} {space}".encode())
        self._directory = cache / "studies" / digest.hexdigest()[:24]

    def storage(self) -> JournalStorage:
        """Open a journal for a new study."""
        self._directory.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}.log"
        return JournalStorage(JournalFileBackend(str(self._directory / name)))

    def best_point(self) -> dict[str, Any] | None:
        """Return the parameters of the best trial of the newest study that has one.

        That study began with the best point of the one before it, and so on. The parameters are
        as `optuna.study.Study.enqueue_trial` takes them.
        """
        for path in sorted(self._directory.glob("*.log"), reverse=True):
            try:
                best = _best_of(path)
            except Exception as error:  # noqa: BLE001 (whatever a damaged journal raises)
                logger.warning("The study %s can't be read and is left out: %r", path, error)
            else:
                if best:
                    return best.params
        return None


def _best_of(path: Path) -> optuna.trial.FrozenTrial | None:
    """Return the best trial of those that reached the last rung in a journal."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    trials = [
        trial
        for summary in optuna.get_all_study_summaries(storage)
        for trial in optuna.load_study(study_name=summary.study_name, storage=storage).trials
        if trial.intermediate_values
    ]
    return max(trials, key=_reached, default=None)


def _reached(trial: optuna.trial.FrozenTrial) -> tuple[int, float]:
    last = max(trial.intermediate_values)
    return last, trial.intermediate_values[last]
