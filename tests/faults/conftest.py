"""A disk of its own for the flows, their configurations, and the runs to compare with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import results
from scene import ROOT, Scene

HERE = Path(__file__).parent
RECORD = ROOT / "dist" / "faults.json"
_DISK_MB = 900


def pytest_collection_modifyitems(config, items):
    """Leave the matrix out unless it is asked for: it takes most of an hour."""
    if "faults" not in config.option.markexpr:
        matrix = [item for item in items if item.get_closest_marker("faults")]
        items[:] = [item for item in items if item not in matrix]
        config.hook.pytest_deselected(items=matrix)


@pytest.fixture(scope="session")
def matrix():
    return tomllib.loads((HERE / "matrix.toml").read_text())


@pytest.fixture(scope="session")
def scene(metaflow_home, tmp_path_factory, train_images, train_labels, test_images, test_labels):
    """A scene on a small tmpfs, if this user may mount one, else in a plain directory."""
    from fmnist_lib.data.formats.idx import write_idx

    control = tmp_path_factory.mktemp("control")
    data = control / "data"
    data.mkdir()
    for part, images, labels, rows in (
        ("train", train_images, train_labels, 900),
        ("t10k", test_images, test_labels, 300),
    ):
        write_idx(data / f"{part}-images-idx3-ubyte.gz", images[:rows])
        write_idx(data / f"{part}-labels-idx1-ubyte.gz", labels[:rows])
    np.save(control / "batch.npy", test_images[300:500])
    mounted = _mount(metaflow_home)
    configs = {name: control / f"{name}.toml" for name in ("train", "monitor")}
    for name, path in configs.items():
        text = (HERE / f"{name}.toml").read_text()
        path.write_text(text.replace("DISK", str(metaflow_home)).replace("CONTROL", str(control)))
    yield Scene(metaflow_home, control, configs, is_mounted=mounted)
    if mounted:
        subprocess.run(["umount", "--lazy", str(metaflow_home)], check=False)


def _mount(disk):
    """Mount a small tmpfs, if this user may."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(disk)]
    return os.getuid() == 0 and subprocess.run(command, check=False).returncode == 0


@pytest.fixture(scope="session")
def undisturbed(scene):
    """The results of both flows without a fault, per flow."""
    found = {}
    for flow, arguments in (("train", []), ("monitor", ["--retrain"])):
        run = scene.start(flow, "run", *arguments)
        assert run.wait(300) == 0, run.output
        found[flow] = results.read(flow, run.id) | {"run": run.id}
        assert scene.temporary_files() == []
    return found


@pytest.fixture
def record():
    """Return a function that stores cells for the table in the documentation."""

    def store(cells):
        RECORD.parent.mkdir(exist_ok=True)
        known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        for cell in cells:
            name = f"{cell.fault} / {cell.flow} / {cell.step}"
            known[name] = {"seconds": round(cell.seconds, 1), "problems": cell.problems}
        RECORD.write_text(json.dumps(known, indent=1) + "\n")

    return store
