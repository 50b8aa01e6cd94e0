"""The library in processes without a display, a user name or a home directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_lib.common.process import available_cores, available_memory

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "module://matplotlib_inline.backend_inline"
DRAW = """
import os
from fmnist_lib.common.plotting import new_figure, picture
assert picture(new_figure(1, 1), "name", "title", "caption").png.startswith(b"\\x89PNG")
print(os.environ["MPLBACKEND"])
"""
IMPORT_ALL = """
import importlib, pathlib
for folder in ("cards", "fmnist_lib"):
    for file in sorted(pathlib.Path(folder).rglob("*.py")):
        if file.name not in ("__main__.py", "__init__.py", "reproduce.py"):
            importlib.import_module(".".join(file.with_suffix("").parts))
from matplotlib import pyplot
pyplot.figure()
"""


def python(code, backend, **options):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)} | options,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("backend", [NOTEBOOK, "inline", "widget", "module://ipympl.x", "nonsense"])
def test_a_backend_that_is_not_installed_does_not_stop_drawing(backend):
    done = python(DRAW, backend)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Agg"


@pytest.mark.parametrize("backend", ["svg", "TkAgg", "notebook", "module://installed.backend"])
def test_an_installed_backend_is_kept(backend, tmp_path):
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "__init__.py").touch()
    done = python(DRAW, backend, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == backend


def test_every_module_can_be_imported_in_the_environment_of_a_notebook():
    done = python(IMPORT_ALL, NOTEBOOK)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_the_exploration_is_drawn_in_the_environment_of_a_notebook():
    """Only Sweetviz and seaborn import pyplot, which takes the notebook's backend."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/eda"],
        cwd=ROOT,
        env=os.environ | {"MPLBACKEND": NOTEBOOK},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_user_without_a_name_is_named_by_uid(monkeypatch):
    import pwd

    from fmnist_lib.common import process

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert process.user_name() == f"uid-{os.getuid()}"
    monkeypatch.setenv("USER", "ada")
    assert process.user_name() == "ada"


def run_as_unknown_user(*words, directory, **variables):
    """Run Python as a user id without passwd entry, without HOME.

    Uses a user namespace, so that the interpreter stays readable wherever it is installed.
    """
    prefix = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces on this machine")
    return subprocess.run(
        [*prefix, sys.executable, *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "fmnist_lib", "registry", "log", "--root", "."),
        ("-m", "fmnist_lib", "predict", "--help"),
        (str(ROOT / "flows" / "train.py"), "--help"),
        (str(ROOT / "flows" / "monitor.py"), "show"),
    ],
)
def test_a_command_runs_for_a_user_that_the_system_does_not_know(words, tmp_path):
    done = run_as_unknown_user(*words, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "~").exists()


def test_the_audit_log_names_an_unknown_user_by_uid(tmp_path):
    code = (
        "from fmnist_lib.commands.registry import promote;"
        "print(promote.make_context('promote', []).params['by'])"
    )
    assert run_as_unknown_user("-c", code, directory=tmp_path).stdout.strip() == "uid-54321"


@pytest.mark.parametrize(
    ("limit", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None)]
)
def test_cores_are_at_most_those_of_the_container(limit, cores, tmp_path):
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert available_cores(tmp_path) == (cores or available_cores(tmp_path / "none"))


def test_memory_is_at_most_what_the_container_has_left(tmp_path):
    for name, size in (("max", 3 * 2**20), ("current", 2**20)):
        (tmp_path / f"memory.{name}").write_text(f"{size}\n")
    assert available_memory(tmp_path) == 2 * 2**20
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(tmp_path) > 2**24
