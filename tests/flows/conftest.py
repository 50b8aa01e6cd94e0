"""Real flows, run as a user runs them; all tests that only read share one quick run."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from fmnist_lib.common.paths import sqlite_address
from tests.quick_config import SMALL_CANDIDATE, with_candidate

PROJECT_ROOT = Path(__file__).resolve().parents[2]
QUICK = PROJECT_ROOT / "config" / "quick.toml"


class Project:
    """A flow with a datastore, an MLflow store and bundles in a directory of its own."""

    def __init__(self, directory: Path, root: Path = PROJECT_ROOT, flow: str = "train.py") -> None:
        self.directory = directory
        self.flow = root / "flows" / flow
        self.tracking_uri = sqlite_address(directory / "mlruns" / "mlflow.db")
        self.environment = os.environ | {"MLFLOW_TRACKING_URI": self.tracking_uri}

    def command(self, *arguments: str, config: Path | None) -> list[str]:
        options = ["--config", "config", str(config)] if config else []
        return [sys.executable, str(self.flow), *options, *arguments]

    def run(self, *arguments: str, config: Path | None = QUICK) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, config=config),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments: str, config: Path | None = QUICK) -> subprocess.Popen[bytes]:
        with (self.directory / "output.txt").open("wb") as output:
            return subprocess.Popen(
                self.command(*arguments, config=config),
                cwd=self.directory,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def config(self, name: str, *replacements: tuple[str, str]) -> Path:
        """Write a variation of the quick configuration that keeps its bundles here."""
        text = QUICK.read_text()
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        path = self.directory / f"{name}.toml"
        path.write_text(text + f'\n[release]\ndirectory = "{self.directory}/bundles"\n')
        return path

    def small_config(self, name: str) -> Path:
        """Write the quick configuration with one candidate, of one trial."""
        path = self.config(name)
        path.write_text(with_candidate(path.read_text(), SMALL_CANDIDATE))
        return path


@pytest.fixture(scope="session")
def project(metaflow_home):
    return Project(metaflow_home)


@pytest.fixture(scope="session")
def monitor_in():
    """Return a function from a directory to the monitor that keeps its files there."""
    return partial(Project, flow="monitor.py")


@pytest.fixture(scope="session")
def finished(project, real_data_dir):
    """A successful quick run on real images, as the Client API gives it."""
    done = project.run("run", "--data-dir", str(real_data_dir), config=project.config("quick"))
    assert done.returncode == 0, done.stdout + done.stderr
    return _latest_run()


@pytest.fixture(scope="session")
def latest_run():
    """Look up the run that was started last."""
    return _latest_run


def _latest_run():
    from metaflow import Flow, namespace

    namespace(None)
    return Flow("FashionMnistTrain").latest_run


@pytest.fixture(scope="session")
def card_content():
    """Return every part of a card, from the base64-encoded JSON in its page."""

    def parts(card):
        for block in re.findall(r'"([A-Za-z0-9+/=]{200,})"', card.get()):
            try:
                content = json.loads(base64.b64decode(block))
            except ValueError:
                continue
            if "components" in content:
                return list(_parts(content["components"]))
        raise AssertionError("no components in the card")

    return parts


def _parts(node):
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from _parts(child)
