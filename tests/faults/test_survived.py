"""Faults that a run survives, and those that need more than `resume`.

make test-faults
"""

from __future__ import annotations

import contextlib
import gzip
import os
import time
from pathlib import Path

import pytest
import results
from chain import Cell, play
from faults import Fault, ReadOnly, make_read_only, make_writable
from survival import failed, judge, survive

pytestmark = pytest.mark.faults

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
FLOOD_MB = 500
READ_ONLY_CACHE = ReadOnly("read-only cache", "Read-only file system", directory="cache")


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


def test_a_hung_candidate_is_killed_and_the_others_continue(
    scene, undisturbed, record, monkeypatch
):
    """The baseline never continues; its row of the leaderboard says why."""
    config = scene.control / "hang.toml"
    text = scene.configs["train"].read_text()
    config.write_text(text.replace("[search]\n", "[search]\nhang_minutes = 0.25\n"))
    monkeypatch.setitem(scene.configs, "train", config)
    point = {"isolated": ["import", "fmnist_lib.search.engines.baseline"]}
    run = scene.start("train", "run", points=point)
    run.wait_for("isolated")
    started = time.monotonic()
    run.wait(300)
    cells = [Cell("hung candidate", "train", "search", time.monotonic() - started)]
    if run.process.returncode != 0:
        cells[0].problems.append(run.output[-1500:])
    elif "search.hang_minutes" not in results.read("train", run.id)["leaderboard"]:
        cells[0].problems.append("the leaderboard does not name the setting that ended it")
    judge(scene, "train", run, cells, undisturbed["train"], but=["leaderboard"])
    record(cells)
    assert not failed(cells)


def test_a_flood_and_damaged_files_of_the_cache_change_nothing(scene, undisturbed, matrix, record):
    """The search continues that of the undisturbed run, whose study it finds damaged."""

    def damage():
        files = [*scene.cache.glob("features/*/*.npy"), *scene.cache.glob("features/*/*.pickle")]
        assert files
        for path in files:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)

    def damage_search():
        damage()
        journals = list(scene.cache.glob("studies/*/*.log"))
        assert journals
        for path in journals:
            content = path.read_bytes()
            path.with_suffix(".copy.log").write_bytes(content[: len(content) // 3])
            path.write_bytes(content[:500] + os.urandom(200) + content[700:])

    def flood():
        used.append(_used(scene.disk))
        return str(FLOOD_MB)

    used = []
    points = matrix["points"]["train"] | {
        "isolated": ["import", "fmnist_lib.search.engines.optuna_engine"]
    }
    actions = {"search": damage_search, "isolated": flood, "select": damage, "cross_fit": damage}
    command = ["resume", "search", "--origin-run-id", undisturbed["train"]["run"]]
    run, cells = survive(scene, "train", "corrupted feature cache", command, points, actions)
    judge(scene, "train", run, cells, undisturbed["train"])
    (search,) = (cell for cell in cells if cell.step == "search")
    study = Cell("corrupted study", "train", "search", search.seconds, list(search.problems))
    if "expected an Optuna journal, got a damaged file" not in run.output:
        study.problems.append(f"no warning of the damaged study: {run.output[-1500:]}")
    cells.append(study)
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
    # Compressed, with the time.
    assert gzip.decompress(file.read_bytes()) == gzip.decompress(original)
    assert not failed(cells)
