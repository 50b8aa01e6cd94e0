"""A directory with a datastore, in which flows in miniature run and are cleaned up."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
SMALL, CLEANUP = ROOT / "benchmarks" / "small_flows", ROOT / "flows" / "cleanup.py"
TRAIN, MONITOR = "FashionMnistTrain", "FashionMnistMonitor"
#: Files that a clean-up does not count: locks, its configuration and MLflow's database.
_NOT_COUNTED = (".gate.lock", ".writers.lock", ".cleanup.lock", "train.toml", "mlflow.db")
#: Opens every artifact, log and card of runs, and prints the tasks.
_OPEN = """
import sys
from metaflow import Run, namespace
from metaflow.cards import get_cards
namespace(None)
for pathspec in sys.argv[1:]:
    for step in Run(pathspec):
        for task in step:
            assert all([artifact.data is not ... for artifact in task]), task
            assert task.stdout is not None
            if task.successful and step.id == "start" and "Train" in pathspec:
                assert "Metaflow" in get_cards(task)[0].get(), task
                print("card", end=" ")
            print(task.pathspec)
"""


class Place:
    """A directory with a datastore.

    Parameters
    ----------
    directory : Path
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self.config = directory, directory / "train.toml"
        (directory / ".metaflow").mkdir(parents=True, exist_ok=True)
        (directory / "mlruns").mkdir(exist_ok=True)
        self.store = f"sqlite:///{directory}/mlruns/mlflow.db"
        self.environment = {
            "METAFLOW_USER": "benchmark",  # in some environments Metaflow finds no name
            **os.environ,
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(directory),
            "MLFLOW_TRACKING_URI": self.store,
        }
        self._write_config()

    def call(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a Python script to its end."""
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=self.directory,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a Python script."""
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, flow: str, *words: object, fails: bool = False) -> str:
        """Run a flow in miniature; return the run's id."""
        done = self.call(SMALL / flow, "--no-pylint", *words)
        if (done.returncode != 0) != fails:
            raise RuntimeError(done.stdout + done.stderr)
        return re.search(r"run-id (\d+)", done.stdout)[1]

    def cleanup_command(self, *words: object) -> list[object]:
        """Return a clean-up without a limit of age."""
        return [CLEANUP, "--config", self.config, "--min-age", 0, *words]

    def clean_up(self, *words: object) -> tuple[str, dict[str, int]]:
        """Clean up; return the output, and the bytes by kind."""
        done = self.call(*self.cleanup_command(*words))
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        table = re.findall(r"^(\w[\w ]*?) +([\d,]+)$", done.stdout, re.MULTILINE)
        return done.stdout, {kind: int(size.replace(",", "")) for kind, size in table}

    def files(self) -> dict[Path, int]:
        """Return the size of every file, by its path in the directory."""
        return {
            path.relative_to(self.directory): path.stat().st_size
            for path in self.directory.rglob("*")
            if path.is_file() and path.name not in _NOT_COUNTED
        }

    def runs(self, flow: str) -> set[str]:
        """Return the ids of the runs of a flow."""
        return {path.name for path in (self.directory / ".metaflow" / flow).glob("1*")}

    def check(self) -> None:
        """Check every blob of every run against its key, and that its origins are there."""
        for manifest in self.directory.glob(".metaflow/*/1*/*/*/*.data.json"):
            blobs = manifest.parents[3] / "data"
            for key in json.loads(manifest.read_text())["objects"].values():
                content = gzip.decompress((blobs / key[:2] / key).read_bytes())
                _require(hashlib.sha1(content).hexdigest() == key, key)  # noqa: S324 (Metaflow's)
                _require((blobs / key[:2] / f"{key}_meta").exists(), key)
        for origin in self.directory.glob(".metaflow/*/1*/*/*/_meta/sysmeta_origin-run-id_*.json"):
            named = json.loads(origin.read_text())["value"]
            _require(named == "None" or (origin.parents[4] / named / "_meta").is_dir(), origin)

    def open_everything(self) -> list[str]:
        """Open all artifacts, logs and cards through Metaflow; return the tasks."""
        everything = [f"{flow}/{run}" for flow in (TRAIN, MONITOR) for run in self.runs(flow)]
        # Without Metaflow's own cache, which may hold blobs that the datastore has lost.
        with TemporaryDirectory() as cache:
            done = self.call(
                "-c",
                _OPEN,
                *everything,
                METAFLOW_CLIENT_CACHE_PATH=cache,
                PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'flows'}",
            )
        _require(done.returncode == 0, done.stderr)
        return done.stdout.splitlines()

    def copy(self, target: Path) -> Place:
        """Replace a directory by a copy of this one."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.directory, target)
        return Place(target)

    def _write_config(self) -> None:
        text = (ROOT / "config" / "quick.toml").read_text()
        text = text.replace("[search]\n", f'[search]\ncache = "{self.directory}/cache"\n')
        text += f'\n[release]\ndirectory = "{self.directory}/bundles"\n'
        self.config.write_text(text + f'\n[tracking]\nspool = "{self.directory}/spool"\n')


def _require(truth: bool, what: object) -> None:
    if not truth:
        raise RuntimeError(f"not consistent: {what}")
