"""Environment that a flow's process sets before it imports Metaflow, Matplotlib and Numba."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHOW = """
import json, os, pathlib, sys
sys.path[:0] = ["flows", "."]
from processes.environment import prepare_environment
prepare_environment(pathlib.Path(sys.argv[1]))
from metaflow.util import get_username
print(json.dumps(dict(os.environ) | {"name": get_username()}))
"""
CACHES = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")


@pytest.fixture
def prepared(tmp_path):
    """Return the environment that a process with the given variables ends up with."""

    def prepare(**variables):
        done = subprocess.run(
            [sys.executable, "-c", SHOW, str(tmp_path)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return prepare


def test_a_flow_draws_without_a_screen_whatever_the_environment_names(prepared):
    for backend in ("module://matplotlib_inline.backend_inline", "TkAgg"):
        assert prepared(MPLBACKEND=backend)["MPLBACKEND"] == "Agg"


def test_threads_and_workers_are_limited_unless_the_user_says_otherwise(prepared):
    found = prepared(MKL_NUM_THREADS="2")
    assert (found["OMP_NUM_THREADS"], found["MKL_NUM_THREADS"]) == ("1", "2")
    assert found["METAFLOW_RUN_MAX_WORKERS"] == str(len(os.sched_getaffinity(0)) + 1)


def test_metaflow_knows_a_user_where_the_environment_names_none_or_root(prepared):
    assert prepared()["name"]
    assert prepared(USER="root")["name"]
    assert prepared(USER="ada")["name"] == "ada"
    assert prepared(METAFLOW_USER="ci")["name"] == "ci"


def test_caches_move_into_the_project_only_where_home_cannot_be_written(prepared, tmp_path):
    assert not set(CACHES) & set(prepared())
    found = prepared(HOME=str(tmp_path / "missing"))
    assert {found[name] for name in CACHES} == {str(tmp_path / ".cache" / "home")}
    assert prepared(HOME="/missing", MPLCONFIGDIR="/mine")["MPLCONFIGDIR"] == "/mine"


def test_every_user_has_a_client_cache_of_his_own(prepared):
    name = "METAFLOW_CLIENT_CACHE_PATH"
    assert prepared()[name].endswith(f"metaflow_client-{os.getuid()}")
    assert prepared(**{name: "/mine"})[name] == "/mine"
