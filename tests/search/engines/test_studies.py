from __future__ import annotations

import optuna
import pytest

from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.search.engines.studies import StudyFolder

CANDIDATE = OptunaCandidate(id="a", engine="optuna", families=("logistic",))


@pytest.fixture
def folder(data, tmp_path):
    return StudyFolder(tmp_path, CANDIDATE, data)


def search(folder):
    def objective(trial):
        value = trial.suggest_float("C", 0.1, 1)
        trial.report(value, 0)
        return value

    optuna.create_study(storage=folder.storage(), direction="maximize").optimize(objective, 3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:0],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"\x80\n{}" + whole[:0],
    ],
)
def test_a_damaged_study_costs_only_its_own_trials(folder, tmp_path, damage):
    search(folder)
    search(folder)
    everything = folder.best_points()
    assert len(everything) == 4
    file = max(tmp_path.rglob("*.log"))
    file.write_bytes(damage(file.read_bytes()))
    assert folder.best_points()[-2:] == everything[-2:]
