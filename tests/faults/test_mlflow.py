"""Faults of MLflow's database, and a publish that is killed after it has used it.

make test-faults
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from chain import Cell, logged_once
from scene import ROOT
from survival import failed, judge, survive

pytestmark = pytest.mark.faults

LOCK_SECONDS = 60


def test_a_publish_that_is_killed_after_the_alias_moved_moves_it_once(scene, undisturbed, record):
    """It is killed while it writes the summary, which names the model's version."""
    before, started = scene.logged(), time.monotonic()
    command = ["resume", "select", "--origin-run-id", undisturbed["train"]["run"]]
    run = scene.start("train", *command, points={"publish": ["os.rename", ".html."]})
    task = run.wait_for("publish")
    moved = scene.aliases()
    task.kill()
    cell = Cell("kill -9 after the alias moved", "train", "publish")
    if run.wait() != 1 or "killed by SIGKILL" not in run.output or "Traceback" in run.output:
        cell.problems.append(run.output[-1500:])
    resumed = scene.start("train", *run.printed_resume())
    if resumed.wait() != 0:
        cell.problems.append(resumed.output[-1500:])
    judge(scene, "train", resumed, [cell], undisturbed["train"])
    cell.problems += logged_once(scene, "train", before)
    if scene.aliases() != moved:
        cell.problems.append(f"the alias moved again: {moved}, then {scene.aliases()}")
    cell.seconds = time.monotonic() - started
    record([cell])
    assert not failed([cell])


#: A new selection of the winner is a new run in MLflow.
REPEATED = {"train": "select", "monitor": "assess"}


@pytest.mark.parametrize(("flow", "step"), [("train", "publish"), ("monitor", "assess")])
def test_a_locked_database_of_mlflow_delays_a_run(scene, undisturbed, matrix, record, flow, step):
    locked = threading.Event()
    holder = threading.Thread(target=_lock, args=(scene.database, locked), daemon=True)

    def lock():
        holder.start()
        assert locked.wait(10)

    logged = scene.logged()
    command = ["resume", REPEATED[flow], "--origin-run-id", undisturbed[flow]["run"]]
    run, cells = survive(
        scene,
        flow,
        "MLflow's database locked for a minute",
        command,
        matrix["points"][flow],
        {step: lock},
    )
    judge(scene, flow, run, cells, undisturbed[flow])
    holder.join()
    cells[0].problems += _deliver(scene, run) if "registry sync" in run.output else []
    cells[0].problems += logged_once(scene, "train", logged) if flow == "train" else []
    record(cells)
    assert not failed(cells)


def _lock(database, locked):
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        locked.set()
        time.sleep(LOCK_SECONDS)
        connection.rollback()


@pytest.mark.parametrize(("flow", "step"), [("train", "publish"), ("monitor", "assess")])
def test_without_mlflow_a_run_ends_well_and_is_delivered_later(
    scene, undisturbed, matrix, record, flow, step
):
    """The database is replaced by something else, for good; then it is brought back."""
    aside, logged = scene.database.with_name("aside"), scene.logged()

    def remove():
        scene.database.rename(aside)
        scene.database.write_bytes(b"not a database" * 100)

    command = ["resume", REPEATED[flow], "--origin-run-id", undisturbed[flow]["run"]]
    name = "MLflow's database away for good"
    try:
        run, cells = survive(scene, flow, name, command, matrix["points"][flow], {step: remove})
    finally:
        aside.replace(scene.database)
    judge(scene, flow, run, cells, undisturbed[flow])
    if "not in MLflow" not in run.output:
        cells[0].problems.append("nothing says that the run is not in MLflow")
    if flow == "train":
        cells[0].problems += _deliver(scene, run) + logged_once(scene, "train", logged)
    record(cells)
    assert not failed(cells)


def _deliver(scene, run):
    """Deliver the spooled run; return what went wrong."""
    config = scene.configs["train"]
    done = subprocess.run(
        [sys.executable, "-m", "fmnist_lib", "registry", "sync", "--config", str(config)],
        cwd=ROOT,
        env=scene.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    is_delivered = done.returncode == 0 and run.id in done.stdout
    return [] if is_delivered else [f"not delivered: {done.stdout}{done.stderr}"]
