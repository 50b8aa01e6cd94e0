"""Twelve cells of the matrix of faults: the monitor is stopped twelve times, and resumed."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

FAULTS = Path(__file__).resolve().parents[1] / "faults"
sys.path.insert(0, str(FAULTS))

import results
from chain import play
from faults import BY_NAME
from scene import Scene

pytestmark = pytest.mark.slow


def test_a_monitor_that_is_stopped_twelve_times_gives_the_same_signal(project, finished, tmp_path):
    matrix = tomllib.loads((FAULTS / "matrix.toml").read_text())
    held_back = finished["select"].task.data.held_back
    batch = tmp_path / "batch.npy"
    np.save(batch, held_back.images[:200])
    config = tmp_path / "monitor.toml"
    text = (FAULTS / "monitor.toml").read_text().replace("DISK", str(project.directory))
    config.write_text(text.replace("CONTROL", str(tmp_path)))
    scene = Scene(project.directory, tmp_path, {"monitor": config})
    run = scene.start("monitor", "run")
    assert run.wait(300) == 0, run.output
    expected = results.read("monitor", run.id)
    faults, steps = matrix["ci"]["faults"], matrix["ci"]["steps"]
    legs = [(BY_NAME[fault], step) for step in steps for fault in faults]
    assert len(legs) == 12
    cells = play(scene, "monitor", legs, matrix["points"]["monitor"], expected)
    assert not {f"{cell.fault} / {cell.step}": cell.problems for cell in cells if cell.problems}
