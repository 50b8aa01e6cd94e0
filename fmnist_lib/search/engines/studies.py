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

#: Newest studies that are looked at, and points taken of each.
_STUDIES, _POINTS = 3, 2


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

    def best_points(self) -> list[dict[str, Any]]:
        """Parameters of the best trials of earlier studies, the newest study first.

        Returns
        -------
        list of dict
            As `optuna.study.Study.enqueue_trial` takes them.
        """
        points = []
        for path in sorted(self._directory.glob("*.log"), reverse=True)[:_STUDIES]:
            try:
                points += _best_of(path)
            except Exception as error:  # noqa: BLE001 (whatever a damaged journal raises)
                logger.warning("The study %s can't be read and is left out: %r", path, error)
        return points


def _best_of(path: Path) -> list[dict[str, Any]]:
    """Parameters of the best trials in a journal."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    points: list[dict[str, Any]] = []
    for summary in optuna.get_all_study_summaries(storage):
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        scored = [trial for trial in study.trials if trial.intermediate_values]
        scored.sort(key=_reached, reverse=True)
        points += [trial.params for trial in scored[:_POINTS]]
    return points


def _reached(trial: optuna.trial.FrozenTrial) -> tuple[int, float]:
    last = max(trial.intermediate_values)
    return last, trial.intermediate_values[last]
