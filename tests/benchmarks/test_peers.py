"""The parts of the comparison that a wrong table would come from."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import peers
import psutil
import pytest
from limited_process import Ended, run_limited
from peer_table import Row, Table, project_row

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


# A child that leaves the group of its parent, as the servers of Ray do.
SPAWNS_AND_HANGS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                         start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""

ANSWERS = """
import sys
sys.path.insert(0, sys.argv.pop())
import numpy as np
from exchange import Task
task = Task.from_command_line()
assert task.X_train.shape == (4, 784) and task.seconds_left < 60
task.answer(lambda X: np.arange(len(X)), "numpy")
"""


def ends_within(seconds, pid):
    """A killed process takes a moment to end, and init a moment more to collect it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_at_the_limit_everything_a_peer_started_is_killed(tmp_path):
    log = tmp_path / "logs" / "peer.log"
    start = time.monotonic()
    ended = run_limited([sys.executable, "-c", SPAWNS_AND_HANGS], 2.0, log, tmp_path)
    assert ended.exit_code is None
    assert time.monotonic() - start < 10
    assert ended.peak_gib > 0.005
    assert ends_within(5, int(log.read_text()))


def test_thread_limits_of_the_shell_do_not_reach_a_peer(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    log = tmp_path / "peer.log"
    program = "import os; print(os.environ.get('OMP_NUM_THREADS'))"
    assert run_limited([sys.executable, "-c", program], 20, log, tmp_path).exit_code == 0
    assert log.read_text().strip() == "None"


def test_an_answer_is_scored_against_labels_the_peer_never_got(tmp_path):
    np.savez(
        tmp_path / "task.npz",
        X_train=np.zeros((4, 784), np.uint8),
        y_train=np.arange(4, dtype=np.uint8),
        X_test=np.zeros((5, 784), np.uint8),
    )
    command = [sys.executable, "-c", ANSWERS, str(tmp_path), str(time.monotonic()), "1"]
    subprocess.run([*command, str(BENCHMARKS / "peers")], check=True)
    row = peers.scores(peers._answer(tmp_path), np.array([0, 1, 2, 3, 9], np.uint8))
    assert row["accuracy"] == 0.8
    assert row["low"] < 0.8 < row["high"]
    assert row["version"] == f"numpy {np.__version__}"


def test_a_failure_is_told_in_one_line(tmp_path):
    log = tmp_path / "peer.log"
    log.write_text("1it\rTraceback\n  line 3\nMemoryError: 3 GiB wanted\n\n\rGeneration: 1it\n")
    failed = peers.note(Ended(1, 5.0, 1.0, 4.0), {}, log)
    killed = peers.note(Ended(None, 75.0, 1.0, 70.0), {"labels": np.zeros(3)}, log)
    assert failed == "exit code 1: MemoryError: 3 GiB wanted; no predictions"
    assert killed == "killed after 75 s; scored on the last answer"


@pytest.fixture
def row():
    return Row("flaml", "pixels", 10.0, 60_000, accuracy=0.88, low=0.87, high=0.89)


def test_rows_survive_in_the_file_and_are_replaced_one_by_one(tmp_path, row):
    path = tmp_path / "peers.csv"
    Table(path).add(row)
    failed = replace(row, peer="tpot", accuracy=None, low=None, high=None, note="killed")
    Table(path).add(failed)
    Table(path).add(replace(row, accuracy=0.9, low=0.89, high=0.91))
    Table(path).add(replace(row, minutes=5.0))
    table = pd.read_csv(path).set_index(["peer", "minutes"])
    assert len(table) == 3
    assert table.loc[("flaml", 10.0), "accuracy"] == 0.9
    assert pd.isna(table.loc[("tpot", 10.0), "accuracy"])
    assert path.with_suffix(".png").is_file()


def test_the_strongest_is_an_automl_on_pixels_with_the_same_minutes(tmp_path, row):
    table = Table(tmp_path / "peers.csv")
    assert table.strongest(10.0, peers.AUTOML) is None
    table.add(row)
    table.add(replace(row, peer="hog-svc", accuracy=0.93))
    table.add(replace(row, peer="tpot", input="features", accuracy=0.92))
    table.add(replace(row, peer="tpot", minutes=20.0, accuracy=0.91))
    assert table.strongest(10.0, peers.AUTOML) == "flaml"


@pytest.mark.parametrize(("memory", "peak_gib"), [("PSS", 4.0), ("RSS", None)])
def test_the_row_of_the_project_is_its_last_run_of_the_frontier(memory, peak_gib):
    run = {"minutes": 10.0, "seed": 20, "budget_seconds": 574.0, "test_accuracy": 0.95}
    run |= {"low": 0.94, "high": 0.96, "peak_gib": 4.0, "commit": "abc", "memory": memory}
    others = [run | {"seed": 21}, run | {"minutes": 3.0}, run | {"test_accuracy": 0.9}]
    frontier = pd.DataFrame([*others, run])
    row = project_row(frontier, 10.0, 20, 60_000)
    assert (row.fit_seconds, row.accuracy, row.peak_gib) == (574.0, 0.95, peak_gib)
    assert ("another way" in row.note) == (memory == "RSS")
    assert project_row(frontier, 20.0, 20, 60_000) is None
