"""A clone of the checkout in which the film's commands run.

A clone, not the checkout: the user's runs, champion and signals stay as they are, and the runs of
the film start from an empty datastore and registry, so every film shows the same course of events.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.errors import FilmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Directories of the data that the pipeline tries in and beside a checkout.
_DATA = ("data/fashion-mnist", "../shared/fashion-mnist")
_SERVER_SECONDS = 120.0
_SETTINGS = ("METAFLOW", "MLFLOW", "GIT_")


@dataclass(frozen=True)
class Workspace:
    """The clone and the variables of its commands.

    Attributes
    ----------
    root : Path
    environment : dict
    port : int
        A free port for MLflow.
    """

    root: Path
    environment: dict[str, str]
    port: int

    def output(self, *command: str) -> str:
        """Return the output of a command that runs in the clone.

        Raises
        ------
        FilmError
            The command failed.
        """
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise FilmError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout

    def latest_run(self, flow: str) -> str:
        """Return the id of the latest run of a flow."""
        return (self.root / ".metaflow" / flow / "latest_run").read_text().strip()


def make_workspace(checkout: Path, directory: Path) -> Workspace:
    """Clone the checkout into a new directory.

    Parameters
    ----------
    checkout : Path
        A Git repository. Changes that are not committed are not in the film.
    directory : Path
        Deleted first.

    Raises
    ------
    FilmError
        The checkout is no Git repository.
    """
    shutil.rmtree(directory, ignore_errors=True)
    root = directory / "fmnist-flow"
    directory.mkdir(parents=True)
    for place in _DATA:
        if (checkout / place).is_dir() and not (directory / "shared").exists():
            (directory / "shared").mkdir()
            (directory / "shared" / "fashion-mnist").symlink_to((checkout / place).resolve())
    workspace = Workspace(root, _environment(directory), free_port())
    command = ["git", "clone", "--quiet", "--local", "--no-hardlinks", str(checkout), str(root)]
    done = subprocess.run(
        command, env=workspace.environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise FilmError(
            f"{checkout}: expected a Git repository to clone, got: {done.stderr.strip()}"
        )
    # Metaflow looks for its datastore in the parents too: that of the checkout would be taken.
    (root / ".metaflow").mkdir()
    return workspace


def changed_files(checkout: Path) -> list[str]:
    """Return the tracked files of a checkout whose changes are not committed."""
    command = ["git", "-C", str(checkout), "diff", "HEAD", "--name-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _environment(directory: Path) -> dict[str, str]:
    """Return the environment without the user's settings of Metaflow and MLflow."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    programs = os.path.join(sys.prefix, "bin")  # noqa: PTH118 (joined to the PATH)
    return kept | {
        "PATH": os.pathsep.join([programs, kept.get("PATH", os.defpath)]),
        "GIT_LFS_SKIP_SMUDGE": "1",
        "METAFLOW_HOME": str(directory / "metaflow-home"),
        "METAFLOW_USER": "demo",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
        "LC_ALL": "C.UTF-8",
    }


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def server(workspace: Workspace, command: str) -> Iterator[str]:
    """Run a server in the clone, and yield its address when it answers.

    Raises
    ------
    FilmError
        It ended, or did not answer in time.
    """
    address = f"http://127.0.0.1:{workspace.port}/"
    log = workspace.root.parent / "server.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],  # noqa: S607 (found on the PATH)
            cwd=workspace.root,
            env=workspace.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + _SERVER_SECONDS
        while not _answers(address + "health"):
            if process.poll() is not None or time.monotonic() > end:
                raise FilmError(f"{command}: expected a server, got: {log.read_text()[-2000:]}")
            time.sleep(0.3)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310 (http://127.0.0.1)
            return True
    except OSError:
        return False


def experiment_id(address: str, name: str = "fashion-mnist") -> str:
    """Return the id of an experiment from MLflow's REST interface."""
    query = f"{address}api/2.0/mlflow/experiments/get-by-name?experiment_name={name}"
    with urllib.request.urlopen(query, timeout=30) as answer:  # noqa: S310 (http://127.0.0.1)
        found: str = json.load(answer)["experiment"]["experiment_id"]
        return found
