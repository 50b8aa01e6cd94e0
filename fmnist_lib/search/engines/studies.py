"""Optuna studies cached across runs."""

from __future__ import annotations

import hashlib
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from fmnist_lib.search.engines.recorded_fit import KnownFits, fits_of

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
    study_name : str, optional
        Of the search; a resumed search has the name of the interrupted one.
    """

    def __init__(
        self,
        cache: Path,
        candidate: OptunaCandidate,
        data: SearchData,
        study_name: str | None = None,
    ) -> None:
        space = candidate.model_dump_json(exclude={"share", "trials"})
        digest = hashlib.sha256(f"{data.fingerprint} {space}".encode())
        self._directory = cache / "studies" / digest.hexdigest()[:24]
        self._name = re.sub(r"[^\w-]", "-", study_name) if study_name else None

    def storage(self) -> JournalStorage:
        """Open a journal for a new study."""
        self._directory.mkdir(parents=True, exist_ok=True)
        words = [time.strftime("%Y%m%dT%H%M%S"), self._name, uuid.uuid4().hex[:8]]
        name = ".".join(filter(None, words)) + ".log"
        return JournalStorage(JournalFileBackend(str(self._directory / name)))

    def known_fits(self) -> KnownFits:
        """Return what the interrupted searches of this name have measured."""
        own = [path for path in self._directory.glob("*.log") if self._is_own(path)]
        return KnownFits(trial for path in own for trial in _trials(path))

    def _is_own(self, path: Path) -> bool:
        """True if a journal was written by a search of this name."""
        return self._name is not None and f".{self._name}." in path.name

    def best_point(self) -> dict[str, Any] | None:
        """Return the parameters of the best trial of the newest study that has one.

        That study began with the best point of the one before it, and so on. Interrupted parts of
        this search do not count. The parameters are as `optuna.study.Study.enqueue_trial` takes
        them.
        """
        for path in sorted(self._directory.glob("*.log"), reverse=True):
            trials = [] if self._is_own(path) else _trials(path)
            scored = [trial for trial in trials if trial.intermediate_values]
            if scored:
                return max(scored, key=_reached).params
        return None


def _trials(path: Path) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a journal; none of a damaged one."""
    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        trials = [
            trial
            for summary in optuna.get_all_study_summaries(storage)
            for trial in optuna.load_study(study_name=summary.study_name, storage=storage).trials
        ]
        for trial in trials:
            fits_of(trial)  # fails if one is damaged
    except Exception as error:  # noqa: BLE001 (whatever a damaged journal raises)
        logger.warning(
            "%s: expected an Optuna journal, got a damaged file (%r). Its trials are not used: the "
            "search does without them. Delete it.",
            path,
            error,
        )
        return []
    return trials


def _reached(trial: optuna.trial.FrozenTrial) -> tuple[int, float]:
    last = max(trial.intermediate_values)
    return last, trial.intermediate_values[last]
