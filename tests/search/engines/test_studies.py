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
        lambda whole: whole[:100],
        lambda whole: b"\x80\n{}" + whole[:0],
    ],
)
def test_a_damaged_study_is_left_out(folder, tmp_path, damage):
    search(folder)
    search(folder)
    newest = max(tmp_path.rglob("*.log"))
    whole = newest.read_bytes()
    best = folder.best_point()
    newest.unlink()
    best_before = folder.best_point()
    assert best != best_before
    newest.write_bytes(damage(whole))
    assert folder.best_point() == best_before


def test_the_first_study_has_nothing_to_start_from(folder):
    assert folder.best_point() is None
