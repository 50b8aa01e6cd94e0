from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from fmnist_lib.registry.run_environment import environment, git_commit, system_metrics


def test_the_commit_is_named_and_changed_files_are_said(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    assert git_commit(tmp_path) is None
    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    commit = git_commit(tmp_path)
    assert len(commit) == 40
    (tmp_path / "file").write_text("two")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_the_environment_names_every_package_and_the_machine():
    found = environment()
    assert found["packages"]["mlflow"] == version("mlflow")
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert found["processors"] >= 1


def test_system_metrics_are_plausible():
    found = system_metrics()
    assert 10 < found["peak_memory_megabytes"] < found["system_memory_usage_megabytes"] * 10
    assert all(value >= 0 for value in found.values())
