"""Earlier runs of the monitor are optional: unreadable ones are left out and counted."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
FLOW = """
import os
from metaflow import FlowSpec, step
from fmnist_lib.monitor.signal import Signal


class FashionMnistMonitor(FlowSpec):
    @step
    def start(self):
        self.next(self.assess)

    @step
    def assess(self):
        if os.environ["WORD"] != "unfinished":
            self.signal = Signal(
                "ok", os.environ["WORD"], "2026-01-01T00:00:00+00:00", "b", "", 1, 1, "c", "m",
                None, None, None, False, None,
            )
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FashionMnistMonitor()
"""
READ = """
import json, sys
sys.path[:0] = [{flows!r}]
from shared.runs import earlier_signals
signals, unreadable = earlier_signals({limit})
print(json.dumps([[one.reason for one in signals], unreadable]))
"""
LOCATE = """
from metaflow import Run, namespace
namespace(None)
print(Run("FashionMnistMonitor/{run}")["assess"].task["signal"].sha)
"""


@pytest.fixture
def history(tmp_path):
    """Return functions that run the monitor, find its artifact, and read the history."""
    (tmp_path / "flow.py").write_text(FLOW)
    environment = {
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path),
        "METAFLOW_USER": "tester",
        "PYTHONPATH": str(ROOT),
    }

    def python(*words, **variables):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=os.environ | environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def run(word):
        python("flow.py", "run", "--run-id-file", "run", WORD=word)
        return (tmp_path / "run").read_text()

    def artifact(run):
        sha = python("-c", LOCATE.format(run=run)).stdout.strip()
        return tmp_path / ".metaflow" / "FashionMnistMonitor" / "data" / sha[:2] / sha

    def read(limit=10):
        done = python("-c", READ.format(flows=str(ROOT / "flows"), limit=limit))
        return *json.loads(done.stdout), done.stderr

    return run, artifact, read


def damages():
    yield "zero bytes", lambda file: file.write_bytes(b"")
    yield "truncated", lambda file: file.write_bytes(file.read_bytes()[:50])
    yield "deleted", lambda file: file.unlink()
    yield "no gzip", lambda file: file.write_bytes(b"garbage")
    yield "no pickle", lambda file: file.write_bytes(gzip.compress(b"garbage"))
    yield "no class", lambda file: file.write_bytes(gzip.compress(b"cno_such_module\nX\n."))
    yield "no signal", lambda file: file.write_bytes(gzip.compress(pickle.dumps({"verdict": 1})))


def test_what_cannot_be_read_is_left_out_and_counted(history):
    run, artifact, read = history
    run("first")
    damaged = [run(name) for name, _ in damages()]
    run("unfinished")
    run("last")
    for number, (_, damage) in zip(damaged, damages(), strict=True):
        damage(artifact(number))
    signals, unreadable, log = read()
    assert (signals, unreadable) == (["first", "last"], len(damaged))
    assert log.count("A run of FashionMnistMonitor can't be read") == len(damaged)
    assert read(limit=1)[:2] == (["last"], 0)
    assert read(limit=0)[:2] == ([], 0)


def test_damaged_metadata_of_a_run_do_not_stop_the_next(history, tmp_path):
    run, _, read = history
    number = run("first")
    metadata = tmp_path / ".metaflow" / "FashionMnistMonitor" / number / "_meta" / "_self.json"
    metadata.write_text("")
    signals, unreadable, _ = read()
    assert (signals, unreadable) == ([], 1)
