"""A datastore, a cache, a registry and flows on a disk of their own, for one row of the matrix."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
#: Part of the environment of every process that a scene starts.
MARK = "FAULTS_DIRECTORY"
FLOWS = {"train": "FashionMnistTrain", "monitor": "FashionMnistMonitor"}


@dataclass
class Scene:
    """Directories and environment of the flows under test.

    Attributes
    ----------
    disk : Path
        Holds everything that a run writes; Metaflow's datastore is ``disk/.metaflow``.
    control : Path
        On another disk: where tasks pause, and the output of the runs.
    configs : dict of str to Path
        Per flow.
    """

    disk: Path
    control: Path
    configs: dict[str, Path]
    extra: dict[str, str] = field(default_factory=dict)
    is_mounted: bool = False

    def __post_init__(self):
        for directory in (self.cache, self.temporary, self.control):
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def datastore(self):
        return self.disk / ".metaflow"

    @property
    def cache(self):
        return self.disk / "cache"

    @property
    def temporary(self):
        return self.disk / "tmp"

    @property
    def signal(self):
        return self.disk / "signals" / "monitor.json"

    @property
    def database(self):
        return self.disk / "mlruns" / "mlflow.db"

    @property
    def environment(self):
        return (
            os.environ
            | {
                "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(self.disk),
                "METAFLOW_CLIENT_CACHE_PATH": str(self.control / "client"),
                # All branches at once, so that each step is reached within seconds.
                "METAFLOW_RUN_MAX_WORKERS": "5",
                "METAFLOW_RESUME_MAX_WORKERS": "5",
                "MLFLOW_TRACKING_URI": f"sqlite:///{self.database}",
                "TMPDIR": str(self.temporary),
                "PYTHONPATH": str(HERE / "injection"),
                MARK: str(self.control),
            }
            | self.extra
        )

    def start(self, flow, *arguments, points=()):
        """Start a flow; its tasks pause at the points."""
        for path in [*self.control.glob("*.reached"), *self.control.glob("*.go")]:
            path.unlink()
        command = [sys.executable, str(ROOT / "flows" / f"{flow}.py")]
        if arguments[0] == "run":
            command += ["--config", "config", str(self.configs[flow])]
        with (self.control / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self.control,
                env=self.environment | {"FAULTS_POINTS": json.dumps(dict(points))},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell's `&` ignores it, for the tests and for what they start.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )
        return Run(self, flow, process)

    def processes(self):
        """Return the processes of this scene that are alive."""
        return [one for one in psutil.process_iter() if self._is_mine(one)]

    def _is_mine(self, process):
        try:
            mine = process.environ().get(MARK) == str(self.control)
            return mine and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def aliases(self):
        """Return the version behind every alias of the registry."""
        if not self.database.exists():
            return {}
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT name, alias, version FROM registered_model_aliases")
            return {(name, alias): version for name, alias, version in rows}

    def logged(self):
        """Return how many runs of each flow MLflow has, and how many versions of the models."""
        found = dict.fromkeys([*FLOWS, "versions"], 0)
        if not self.database.exists():
            return found
        runs = (
            "SELECT count(*) FROM tags JOIN runs USING (run_uuid) WHERE lifecycle_stage = 'active' "
            "AND key = 'delivery.key' AND value LIKE '{}/%' AND value NOT LIKE '%/%/%'"
        )
        queries = {flow: runs.format(name) for flow, name in FLOWS.items()}
        queries["versions"] = (
            "SELECT count(*) FROM model_versions WHERE name NOT LIKE '%-promotions'"
        )
        with closing(sqlite3.connect(self.database)) as connection:
            return {
                name: connection.execute(query).fetchone()[0] for name, query in queries.items()
            }

    def last_signal(self):
        return self.signal.read_bytes() if self.signal.exists() else None

    def temporary_files(self):
        """Return files that no run should leave: partial ones, and those of TMPDIR."""
        patterns = ("**/*.part", "**/.unfinished*", ".metaflow/**/tmp????????", "tmp/*")
        found = {path for pattern in patterns for path in self.disk.glob(pattern)}
        return sorted(str(path.relative_to(self.disk)) for path in found)

    def half_written(self):
        """Return damaged files under a final name: bundles and the signal."""
        damaged = []
        for path in self.disk.glob("bundles/*.zip"):
            try:
                with zipfile.ZipFile(path) as file:
                    damaged += [path] if file.testzip() else []
            except zipfile.BadZipFile:
                damaged.append(path)
        try:
            json.loads(self.last_signal() or b"{}")
        except ValueError:
            damaged.append(self.signal)
        return [str(path) for path in damaged]

    def clear_temporary(self):
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()


@dataclass
class Run:
    """A flow that was started."""

    scene: Scene
    flow: str
    process: subprocess.Popen

    @property
    def output(self):
        return (self.scene.control / "output.txt").read_text(errors="replace")

    @property
    def id(self):
        """Id of the run; the flow must have printed it."""
        return re.search(r"\(run-id (\d+)\)", self.output)[1]

    def wait_for(self, step, seconds=120):
        """Wait until the step's task pauses; return its process."""
        reached = self.scene.control / f"{step}.reached"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            if reached.exists() and (pid := reached.read_text()):
                return psutil.Process(int(pid))
            time.sleep(0.02)
        raise AssertionError(f"{step} was not reached:\n{self.output[-3000:]}")

    def go_on(self, step, action=""):
        """Let the step's task continue, or raise an exception."""
        path = self.scene.control / f"{step}.go"
        path.with_suffix(".tmp").write_text(action)
        path.with_suffix(".tmp").replace(path)

    def wait(self, seconds=180):
        """Wait for the end of the run; return its exit code."""
        return self.process.wait(seconds)

    def everything(self):
        """Return the processes of the run."""
        mine = psutil.Process(self.process.pid)
        return [mine, *mine.children(recursive=True)]

    def printed_resume(self):
        """Return the arguments of the resume command that the run printed, or None."""
        found = re.findall(r"To continue, once the cause is fixed: (.*)", self.output)
        if not found:
            return None
        words = shlex.split(found[-1])
        return words[words.index("resume") :]
