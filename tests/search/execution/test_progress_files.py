from __future__ import annotations

import subprocess
import sys

import pytest

from fmnist_lib.common.statistics import wilson
from fmnist_lib.search.engines.result import CandidateResult, Progress
from fmnist_lib.search.execution.progress_files import ProgressFile, read_progress


@pytest.fixture
def file(tmp_path):
    return ProgressFile(tmp_path / "run", "a")


def test_nothing_has_started(tmp_path):
    assert read_progress(tmp_path / "missing") == {}


@pytest.mark.usefixtures("file")
def test_a_candidate_is_seen_from_its_start(tmp_path):
    one = read_progress(tmp_path / "run")["a"]
    assert (one.phase, one.trials, one.best, one.alive, one.ended) == (
        "searching",
        0,
        (),
        True,
        False,
    )


def test_only_improvements_are_kept(file, tmp_path):
    for seconds, trials, best in ((1.0, 1, 0.8), (2.0, 2, 0.8), (3.0, 3, 0.9), (4.0, 3, 0.9)):
        file.update(Progress("searching", seconds, trials, best))
    one = read_progress(tmp_path / "run")["a"]
    assert one.best == ((1.0, 0.8), (3.0, 0.9))
    assert (one.seconds, one.trials) == (4.0, 3)


def test_a_result_ends_it(file, tmp_path):
    file.update(Progress("refitting", 5.0, 3, 0.9))
    file.end(CandidateResult("a", "optuna", validation_accuracy=wilson(9, 10), stopped="enough"))
    one = read_progress(tmp_path / "run")["a"]
    assert (one.phase, one.accuracy, one.note) == ("finished", 0.9, "enough")
    assert one.ended
    assert not one.alive


def test_a_failure_has_its_reason(file, tmp_path):
    file.end(CandidateResult("a", "optuna", error="out of memory"))
    one = read_progress(tmp_path / "run")["a"]
    assert (one.phase, one.accuracy, one.note) == ("failed", None, "out of memory")


def test_a_killed_task_is_not_alive(tmp_path):
    code = (
        "import pathlib, sys; from fmnist_lib.search.execution.progress_files import ProgressFile;"
        "ProgressFile(pathlib.Path(sys.argv[1]), 'b')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    one = read_progress(tmp_path)["b"]
    assert not one.alive
    assert not one.ended
