"""Messages for errors outside of a step's body."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FLOW = """
import sys
sys.path[:0] = ["{root}", "{root}/flows"]
from metaflow import FlowSpec, current, step
from metaflow.datastore.exceptions import DataException
from metaflow.exception import MetaflowException
from processes.failures import explain_failures, explained_failures

class Small(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass

{code}
"""
IN_METAFLOW = """
explain_failures(Small)
from metaflow import cli
current._update_env({"run_id": "17"})
def raise_it(*_, **__):
    %s
cli.start = raise_it
Small()
"""


def out_of_memory():
    return """
    try:
        raise MemoryError
    except MemoryError as error:
        raise DataException("Serializer failed on artifact 'dataset'") from error"""


def cleaning_up():
    return """
    try:
        raise SystemExit(143)
    finally:
        raise UnboundLocalError("local variable 'f'")"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (out_of_memory(), "Out of memory"),
        (cleaning_up(), "Ended by a signal."),
        (
            "raise DataException(\"Could not unpack artifact 'ab/abcd': CRC check failed\")",
            "'ab/abcd': CRC check failed. A file of Metaflow's datastore is damaged. Delete it",
        ),
        ('raise DataException("No data")', "Data store error"),
        ('raise MetaflowException("a readonly database")', "a readonly database"),
    ],
)
def test_an_error_in_metaflows_own_code_is_one_message(tmp_path, code, message):
    done = run(tmp_path, IN_METAFLOW % code)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_any_other_error_in_metaflows_own_code_keeps_its_traceback(tmp_path):
    done = run(tmp_path, IN_METAFLOW % 'raise ValueError("a bug")')
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: a bug" in done.stderr


@pytest.mark.parametrize(
    ("error", "wanted"),
    [("can't start new thread", "Out of memory"), ("a bug", "RuntimeError: a bug")],
)
def test_an_error_before_metaflows_code_is_explained(tmp_path, error, wanted):
    done = run(tmp_path, f"with explained_failures():\n    raise RuntimeError({error!r})")
    assert done.returncode == 1
    assert wanted in done.stderr
    assert ("Traceback" in done.stderr) == (wanted != "Out of memory")


def run(directory, code):
    """Run a flow's file with this code after the flow's class."""
    file = directory / "small.py"
    file.write_text(FLOW.replace("{root}", str(ROOT)).replace("{code}", code))
    return subprocess.run(
        [sys.executable, str(file), "run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )
