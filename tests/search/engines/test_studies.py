from __future__ import annotations

import numpy as np
import optuna
import pytest

from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.search.engines.recorded_fit import FITS, RecordedFit
from fmnist_lib.search.engines.studies import StudyFolder

CANDIDATE = OptunaCandidate(id="a", engine="optuna", families=("logistic",))


#: Of eight images; "/w==" in a journal.
FIT = RecordedFit(np.ones(8, dtype=bool), seconds=1.0, threads=1.0, row_seconds=0.1)
CHECKSUM = f",{FIT.to_plain()[-1]}".encode()


@pytest.fixture
def folder(data, tmp_path):
    return StudyFolder(tmp_path, CANDIDATE, data)


def search(folder):
    def objective(trial):
        value = trial.suggest_float("C", 0.1, 1)
        trial.set_user_attr("params", {"C": value})
        trial.set_user_attr(FITS, [FIT.to_plain()])
        trial.report(value, 0)
        return value

    optuna.create_study(storage=folder.storage(), direction="maximize").optimize(objective, 3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:0],
        lambda whole: whole[:100],
        lambda whole: b"\x80\n{}" + whole[:0],
        lambda whole: whole[:-2000] + bytes(range(256)) + whole[-1744:],
        lambda whole: whole.replace(b'"/w=="', b'"/g=="', 1),  # one image less is correct
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


@pytest.mark.parametrize(
    ("damage", "n_known"),
    [
        (lambda whole: whole, 3),
        (lambda whole: whole[:-20], 3),  # in mid-write, as a kill leaves it
        (lambda whole: whole.replace(CHECKSUM, b""), 3),  # of an earlier version
        (lambda whole: whole.replace(b'"/w=="', b'"/g=="', 1), 0),
        (lambda whole: b"\xff" + whole[1:], 0),
        (lambda whole: bytes(300) + whole[300:], 0),
    ],
)
def test_a_search_continues_with_the_fits_of_undamaged_journals_only(
    data, tmp_path, caplog, damage, n_known
):
    folder = StudyFolder(tmp_path, CANDIDATE, data, "FashionMnistTrain/17/a")
    search(folder)
    (journal,) = tmp_path.rglob("*.log")
    whole = journal.read_bytes()
    assert whole.count(b'"/w=="') == whole.count(CHECKSUM) == 3
    journal.write_bytes(damage(whole))
    assert len(folder.known_fits()) == n_known
    expected = [] if n_known else [f"{journal}: expected an Optuna journal, got a damaged file"]
    warnings = [one.getMessage() for one in caplog.records if one.name.startswith("fmnist_lib")]
    assert [warning.partition(" (")[0] for warning in warnings] == expected


def test_the_first_study_has_nothing_to_start_from(folder):
    assert folder.best_point() is None
