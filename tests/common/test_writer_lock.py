"""The lock between processes that write to a datastore and a clean-up."""

from __future__ import annotations

import select
import subprocess
import sys

import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.writer_lock import no_new_writers, only_cleanup, writing

WRITER = """
import sys
from pathlib import Path
from fmnist_lib.common.writer_lock import writing
with writing(Path(sys.argv[1])):
    print("writing", flush=True)
    input()
"""


@pytest.fixture
def start_writer(tmp_path):
    """Return a function that starts a process which writes until it is killed."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_idle(directory):
    with no_new_writers(directory) as idle:
        return idle


def test_writers_are_seen_until_the_last_one_is_dead(tmp_path, start_writer):
    assert is_idle(tmp_path)
    first, second = start_writer(), start_writer()
    assert [one.stdout.readline() for one in (first, second)] == ["writing\n"] * 2
    assert not is_idle(tmp_path)
    first.kill()
    first.wait()
    assert not is_idle(tmp_path)
    second.kill()
    second.wait()
    assert is_idle(tmp_path)


def test_a_process_begins_to_write_when_the_clean_up_has_decided(tmp_path, start_writer):
    with no_new_writers(tmp_path) as idle:
        process = start_writer()
        assert idle
        # A line in the pipe would be of a writer that did not wait.
        assert not select.select([process.stdout], [], [], 1)[0]
    assert process.stdout.readline() == "writing\n"


def test_a_second_clean_up_is_refused(tmp_path):
    with only_cleanup(tmp_path), pytest.raises(DataError, match="expected no other clean-up"):
        only_cleanup(tmp_path).__enter__()
    with only_cleanup(tmp_path):
        pass


def test_a_run_without_a_datastore_is_not_stopped_but_a_clean_up_is(tmp_path):
    absent = tmp_path / "absent"
    with writing(absent):
        assert not absent.exists()
    with pytest.raises(DataError, match="file system with locks"):
        no_new_writers(absent).__enter__()
