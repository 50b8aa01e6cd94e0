"""Faults that a run survives, and those that need more than `resume`.

make test-faults
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import results
from chain import Cell, play
from faults import Fault, ReadOnly, make_read_only, make_writable
from scene import ROOT

pytestmark = pytest.mark.faults

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
LOCK_SECONDS = 60
FLOOD_MB = 500
READ_ONLY_CACHE = ReadOnly("read-only cache", "Read-only file system", directory="cache")


def survive(scene, flow, name, command, points, actions, seconds=400):
    """Run a flow to its end; at the point of each step call its action, then let it continue.

    Returns
    -------
    tuple of Run and list of Cell
        One cell per action.
    """
    run = scene.start(flow, *command, points={step: points[step] for step in actions})
    started, deadline, cells = time.monotonic(), time.monotonic() + seconds, {}
    while run.process.poll() is None:
        for step, action in actions.items():
            if step not in cells and (scene.control / f"{step}.reached").exists():
                cells[step] = Cell(name, flow, step, time.monotonic() - started)
                run.go_on(step, action() or "")
        time.sleep(0.02)
        if time.monotonic() > deadline:
            for process in run.everything():
                process.kill()
    assert set(cells) == set(actions), run.output[-3000:]
    for cell in cells.values():
        cell.seconds = (time.monotonic() - started) / len(cells)
        if run.process.returncode != 0:
            cell.problems.append(run.output[-1500:])
    return run, list(cells.values())


def judge(scene, flow, run, cells, expected, *, but=()):
    """Add to the cells what differs from the undisturbed run, and what was left behind."""
    if run.process.returncode == 0:
        wanted = {key: expected[key] for key in expected if key not in ("run", *but)}
        problems = results.differences(wanted, results.read(flow, run.id))
        problems += [f"temporary file: {name}" for name in scene.temporary_files()]
        problems += [f"half-written: {path}" for path in scene.half_written()]
        problems += ["an orphan"] if scene.processes() else []
        for cell in cells:
            cell.problems += problems


def failed(cells):
    return {f"{cell.fault} / {cell.step}": cell.problems for cell in cells if cell.problems}


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs libfaketime (Debian: faketime)")
@pytest.mark.parametrize("flow", ["train", "monitor"])
@pytest.mark.parametrize(("name", "hours"), [("forward", 1), ("back", -1)])
def test_the_clock_is_set_at_every_step(
    scene, undisturbed, matrix, record, monkeypatch, name, hours, flow
):
    """It differs in every process that starts after a step was reached.

    It stays as it is within a process: libfaketime's sleeps fail, or do not end, after a jump.
    """
    clock, jumps = scene.control / "clock", []
    clock.write_text("+0h\n")

    def jump():
        jumps.append(hours)
        clock.write_text(f"{sum(jumps):+d}h\n")

    variables = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock}
    variables |= {"FAKETIME_CACHE_DURATION": 86_400}
    monkeypatch.setattr(scene, "extra", {key: str(value) for key, value in variables.items()})
    points = matrix["points"][flow]
    command = ["run", *(["--retrain"] if flow == "monitor" else [])]
    run, cells = survive(
        scene, flow, f"clock set {name}", command, points, dict.fromkeys(points, jump)
    )
    judge(scene, flow, run, cells, undisturbed[flow], but=["leaderboard"])
    judge(scene, flow, run, [cell for cell in cells if cell.step == "search"], undisturbed[flow])
    record(cells)
    known = {name.replace(f" {flow} /", "") for name in matrix["known"]}
    assert not failed(cell for cell in cells if f"{cell.fault} / {cell.step}" not in known)


def test_a_hung_candidate_is_killed_at_its_deadline(scene, undisturbed, record):
    """The baseline, which has a deadline; it never continues, and is a row of the leaderboard."""
    point = {"isolated": ["import", "fmnist_lib.search.engines.baseline"]}
    run = scene.start("train", "run", "--minutes", "0.5", points=point)
    run.wait_for("isolated")
    started = time.monotonic()
    run.wait(300)
    cells = [Cell("hung candidate", "train", "search", time.monotonic() - started)]
    if run.process.returncode != 0:
        cells[0].problems.append(run.output[-1500:])
    judge(scene, "train", run, cells, undisturbed["train"], but=["leaderboard"])
    record(cells)
    assert not failed(cells)


def test_a_flood_and_damaged_columns_change_nothing(scene, undisturbed, matrix, record):
    def damage():
        files = [*scene.cache.glob("features/*/*.npy"), *scene.cache.glob("features/*/*.pickle")]
        assert files
        for path in files:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)

    def flood():
        used.append(_used(scene.disk))
        return str(FLOOD_MB)

    used = []
    points = matrix["points"]["train"] | {
        "isolated": ["import", "fmnist_lib.search.engines.optuna_engine"]
    }
    actions = {"search": damage, "isolated": flood, "select": damage, "cross_fit": damage}
    command = ["resume", "search", "--origin-run-id", undisturbed["train"]["run"]]
    run, cells = survive(scene, "train", "corrupted feature cache", command, points, actions)
    judge(scene, "train", run, cells, undisturbed["train"])
    for cell in cells:
        if cell.step == "isolated":
            cell.fault, cell.step = "candidate that floods stdout", "search"
            if _used(scene.disk) > used[0] + FLOOD_MB * 2**20 / 2:
                cell.problems.append("the flood fills the disk")
    record(cells)
    assert not failed(cells)


def _used(disk):
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def test_a_read_only_cache_stops_a_run_or_changes_nothing(scene, undisturbed, matrix, record):
    if not scene.is_mounted:
        pytest.skip("needs root, to mount a tmpfs")
    points, expected = matrix["points"]["train"], dict(undisturbed["train"])
    run_id = expected.pop("run")
    # All columns are there, so that these steps only read.
    with _read_only(scene.cache):
        run, cells = survive(
            scene,
            "train",
            READ_ONLY_CACHE.name,
            ["resume", "select", "--origin-run-id", run_id],
            points,
            {"select": str, "cross_fit": str},
        )
    judge(scene, "train", run, cells, expected)
    legs = [(READ_ONLY_CACHE, "start"), (READ_ONLY_CACHE, "search")]
    cells += play(scene, "train", legs, points, expected)
    record(cells)
    assert not failed(cells)


@contextlib.contextmanager
def _read_only(directory):
    make_read_only(directory)
    try:
        yield
    finally:
        make_writable(directory)


@pytest.mark.parametrize(("flow", "step"), [("train", "publish"), ("monitor", "assess")])
def test_a_locked_database_of_mlflow_delays_a_run(scene, undisturbed, matrix, record, flow, step):
    def lock():
        locked = threading.Event()
        threading.Thread(target=_lock, args=(scene.database, locked), daemon=True).start()
        assert locked.wait(10)

    command = ["resume", step, "--origin-run-id", undisturbed[flow]["run"]]
    run, cells = survive(
        scene,
        flow,
        "MLflow's database locked for a minute",
        command,
        matrix["points"][flow],
        {step: lock},
    )
    judge(scene, flow, run, cells, undisturbed[flow])
    cells[0].problems += _deliver(scene, run) if "registry sync" in run.output else []
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
    aside = scene.database.with_name("aside")

    def remove():
        scene.database.rename(aside)
        scene.database.write_bytes(b"not a database" * 100)

    command = ["resume", step, "--origin-run-id", undisturbed[flow]["run"]]
    name = "MLflow's database away for good"
    try:
        run, cells = survive(scene, flow, name, command, matrix["points"][flow], {step: remove})
    finally:
        aside.replace(scene.database)
    judge(scene, flow, run, cells, undisturbed[flow])
    if "not in MLflow" not in run.output:
        cells[0].problems.append("nothing says that the run is not in MLflow")
    cells[0].problems += _deliver(scene, run) if flow == "train" else []
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


class DamagedArtifact(Fault):
    """One bit of the images, as the datastore keeps them; the user deletes the file."""

    def inject(self, run, task, step):  # noqa: ARG002 (as every fault)
        content = bytearray(self.file(run.scene).read_bytes())
        content[len(content) // 2] ^= 1
        self.file(run.scene).write_bytes(content)
        run.go_on(step)

    def file(self, scene):
        from metaflow import Run

        digest = Run(f"FashionMnistTrain/{self.name.split()[-1]}")["start"].task["dataset"].sha
        return scene.datastore / "FashionMnistTrain" / "data" / digest[:2] / digest


def test_a_damaged_artifact_is_named_and_stored_again(scene, undisturbed, matrix, record):
    expected = dict(undisturbed["train"])
    run_id = expected.pop("run")
    fault = DamagedArtifact(f"corrupted artifact {run_id}", "datastore is damaged. Delete it")
    points, cells = matrix["points"]["train"], []
    file = fault.file(scene)
    original = file.read_bytes()
    # The steps that read the images after their point.
    for step in ("eda", "prepare", "select", "explain", "cross_fit", "stress"):
        cell, started = Cell("corrupted artifact", "train", step), time.monotonic()
        run = scene.start(
            "train",
            *("resume", step, "--origin-run-id", run_id),
            points={step: points[step]},
        )
        fault.inject(run, run.wait_for(step), step)
        code = run.wait()
        if code != 1 or fault.message not in run.output or "Traceback" in run.output:
            cell.problems.append(run.output[-1500:])
        file.write_bytes(original)
        cell.seconds = time.monotonic() - started
        cells.append(cell)
    # As the message says: without the file, `start` stores the same artifact again.
    file.unlink()
    run = scene.start("train", "resume", "start", "--origin-run-id", run_id)
    run.wait(300)
    judge(scene, "train", run, cells, expected)
    record(cells)
    assert file.read_bytes() == original
    assert not failed(cells)
