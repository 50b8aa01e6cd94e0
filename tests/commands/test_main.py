"""The command line as a whole: help, exit codes, paths, start-up, signals and pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from fmnist_lib.common.paths import PROJECT_ROOT

COMMANDS = {
    (): ["bundle", "config", "data", "predict", "registry", "serve", "study"],
    ("bundle",): ["unpack", "verify"],
    ("config",): ["monitor", "train"],
    ("data",): ["download", "splits", "verify"],
    ("registry",): ["log", "promote", "rollback", "sync"],
    ("study",): ["list", "proxy", "work"],
}


def listed(text):
    _, _, table = text.partition("\nCommands:\n")
    return [line.split()[0] for line in table.splitlines() if line.startswith("  ")]


@pytest.mark.parametrize("group", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_lists_the_commands(group, option, fmnist):
    status, output, _ = fmnist(*group, option)
    assert status == 0
    assert listed(output) == COMMANDS[group]
    assert "..." not in output.partition("\nCommands:\n")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tracking",), "No such command 'tracking'"),
        (("predict", "--model", "m"), "Missing option '--in'"),
        (("predict", "--label-column", "middle"), "'first', 'last', 'none'"),
        (("serve", "--model", "m", "--port", "70000"), "70000 is not in the range"),
        (("bundle", "verify"), "Missing argument 'BUNDLE'"),
        (("data", "verify", "~nobody-of-that-name/x"), "expected a user with a home directory"),
    ],
)
def test_wrong_usage_is_exit_code_2(words, message, fmnist):
    status, output, errors = fmnist(*words)
    assert (status, output) == (2, "")
    assert message in errors
    assert errors.startswith("Usage: ")


def test_a_tilde_after_an_equals_sign_is_the_home_directory(fmnist, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "empty.zip").touch()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    assert "not a zip file" in fmnist("bundle", "verify", "~/empty.zip")[1]
    status, _, message = fmnist("registry", "sync", "--root=~/project", "--config=~/c.toml")
    assert status == 1
    assert str(tmp_path / "home" / "c.toml") in message
    status, _, message = fmnist("predict", "--model=~/none", "--in=~/x.npy", "--out=~/o.csv")
    assert status == 1
    assert str(tmp_path / "home" / "none") in message or "~/none" in message
    assert not list((tmp_path / "work").iterdir())


def test_the_help_imports_no_heavy_library():
    code = (
        "import sys; from fmnist_lib.commands.main import fmnist;"
        "fmnist(['--help'], standalone_mode=False); print(sorted(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert listed(done.stdout) == COMMANDS[()]
    for name in ("numpy", "pydantic", "pandas", "sklearn", "mlflow", "uvicorn"):
        assert f"'{name}'" not in done.stderr


#: A module that a signal interrupts while it is imported, which an extension module reports so.
INTERRUPTED = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
except BaseException:
    raise ImportError("initialization failed")
"""


def test_a_signal_during_an_import_is_no_traceback(tmp_path):
    (tmp_path / "tqdm.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "-m", "fmnist_lib", "predict", "--model=m", "--in=i", "--out=o.csv"],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_installed_command_is_the_same():
    script = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    code = f"import sys; sys.argv = ['fmnist', '--help']; {_call(script['fmnist'])}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: fmnist [OPTIONS] COMMAND")
    assert listed(done.stdout) == COMMANDS[()]


def _call(entry_point):
    """Return what the script of an entry point runs."""
    module, _, function = entry_point.partition(":")
    return f"import {module} as module; module.{function}()"


def test_a_closed_pipe_is_no_traceback():
    command = [sys.executable, "-m", "fmnist_lib", "config", "train"]
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    message = process.stderr.read()
    assert process.wait(60) == 1
    assert not message
