"""A killed run leaves nothing: its tasks end at once, the next run deletes its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
RUN = """
import os, subprocess, sys, tempfile
from processes.run_processes import private_temporary_directory
with private_temporary_directory():
    print(tempfile.mkdtemp(), flush=True)
    print(subprocess.check_output(["sh", "-c", "echo $TMPDIR"], text=True).strip(), flush=True)
    sys.stdin.read()
"""
TASK = """
import subprocess, sys, time
from processes.run_processes import end_with_parent
end_with_parent()
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""

REGISTRATION = """
import os
from processes.run_processes import end_if_orphaned, end_with_parent
end_with_parent()
parent = os.getppid()
print("ready", flush=True)
while os.getppid() == parent:
    pass
end_if_orphaned()
print("registered", flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Start Python code with the flows on its path; all of it is killed at the end."""
    started = []

    def run(*command):
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'flows'}"}
        environment["TMPDIR"] = str(tmp_path)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))
        return started[-1]

    yield run
    for process in started:
        with process:
            process.kill()


def test_temporary_files_are_deleted_at_the_end(start, tmp_path):
    run = start(sys.executable, "-c", RUN)
    inside, seen_by_children = (Path(run.stdout.readline().strip()) for _ in range(2))
    assert inside.parent == seen_by_children
    assert seen_by_children.parent == tmp_path
    run.stdin.close()
    assert run.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_those_of_a_killed_run_are_deleted_by_the_next_and_of_a_live_one_are_kept(start, tmp_path):
    killed, alive = start(sys.executable, "-c", RUN), start(sys.executable, "-c", RUN)
    left = [Path(run.stdout.readline().strip()).parent for run in (killed, alive)]
    killed.kill()
    killed.wait(20)
    following = start(sys.executable, "-c", RUN)
    following.stdout.readline()
    assert [path.exists() for path in left] == [False, True]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_task_and_its_children_end_when_the_run_is_killed(start):
    # `wait` keeps the shell alive as the task's parent.
    run = start("sh", "-c", f"{sys.executable} -c '{TASK}' & wait")
    child = psutil.Process(int(run.stdout.readline()))
    task = child.parent()
    run.kill()
    gone, alive = psutil.wait_procs([task, child], timeout=20)
    assert not alive
    assert len(gone) == 2


def test_a_task_whose_run_was_killed_a_moment_ago_registers_nothing(start):
    run = start("sh", "-c", f"{sys.executable} -c '{REGISTRATION}' & wait")
    assert run.stdout.readline() == "ready\n"
    run.kill()
    assert run.stdout.read() == ""
