"""The clone in which the film's commands run, its servers, and missing programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from demo.errors import FilmError
from demo.workspace import Workspace, changed_files, free_port, make_workspace, server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "checkout" / "health").mkdir(parents=True)
    return Workspace(tmp_path / "checkout", dict(os.environ), free_port())


@pytest.mark.parametrize("narrate", [False, True])
def test_missing_programs_are_named_with_the_command_that_installs_them(tmp_path, narrate):
    command = [sys.executable, "-m", "demo", *(["--narrate"] if narrate else [])]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    missing = "ffmpeg chromium git" + (" espeak-ng" if narrate else "")
    assert done.stderr.strip().endswith(f"apt-get install {missing}")
    assert len(done.stderr.splitlines()) == 1


def test_the_film_is_made_in_a_clone_with_settings_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    checkout = tmp_path / "checkout"
    (checkout / "data" / "fashion-mnist").mkdir(parents=True)
    (checkout / "code.py").write_text("")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "code.py"], ["commit", "-qm", "First"]):
        subprocess.run([*git, *words], cwd=checkout, check=True)
    (checkout / ".metaflow").mkdir()
    assert changed_files(checkout) == []
    (checkout / "code.py").write_text("changed")
    assert changed_files(checkout) == ["code.py"]
    made = make_workspace(checkout, checkout / "dist" / "work")
    assert {path.name for path in made.root.iterdir()} == {".git", ".metaflow", "code.py"}
    assert (made.root / "code.py").read_text() == ""
    shared = made.root.parent / "shared" / "fashion-mnist"
    assert shared.resolve() == checkout / "data" / "fashion-mnist"
    assert "MLFLOW_TRACKING_URI" not in made.environment
    assert _datastore(made) == str(made.root / ".metaflow")
    assert "METAFLOW_DATASTORE_SYSROOT_LOCAL" not in made.environment
    with pytest.raises(FilmError, match="expected a Git repository"):
        make_workspace(tmp_path, tmp_path / "other")


def _datastore(workspace):
    """Return where a flow that runs in the workspace would keep its artifacts."""
    find = (
        "from metaflow.plugins.datastores.local_storage import LocalStorage;"
        "print(LocalStorage.get_datastore_root_from_config(print))"
    )
    return workspace.output(sys.executable, "-c", find).strip()


def test_a_server_runs_until_the_block_ends(workspace):
    with server(workspace, f"{sys.executable} -m http.server {workspace.port}") as address:
        assert requests.get(address, timeout=5).ok
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=5)


def test_a_server_that_ends_at_once_is_an_error_with_its_output(workspace):
    def start():
        with server(workspace, "echo no such store"):
            pass

    with pytest.raises(FilmError, match="expected a server, got: no such store"):
        start()


def test_a_command_that_fails_is_an_error(workspace):
    assert workspace.output("echo", "said") == "said\n"
    with pytest.raises(FilmError, match="ls absent failed"):
        workspace.output("ls", "absent")
