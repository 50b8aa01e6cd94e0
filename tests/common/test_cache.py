from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fmnist_lib.common.cache import prune_cache

#: Seconds since the epoch at which the first entry was used.
FIRST_USE = 1e9
OURS = os.getpid()


@pytest.fixture
def cache(tmp_path):
    """A cache of four entries of 1,000 bytes, used one second after the other."""
    files = ("studies/a/1.log", "features/old/00000.npy", "retraining/7/x.gz", "studies/a/2.log")
    for age, name in enumerate(files):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
        for touched in (path, path.parent):
            os.utime(touched, (FIRST_USE + age, FIRST_USE + age))
    return tmp_path


@pytest.fixture
def other_run():
    """The process of another run, alive until the end of the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def files_in(cache):
    found = (path for path in cache.rglob("*") if path.is_file())
    return {str(path.relative_to(cache)) for path in found if path.parent.name != "runs"}


def test_the_least_recently_used_entries_of_all_kinds_go_first(cache):
    prune_cache(cache, 2500 / 2**30, OURS)
    assert files_in(cache) == {"retraining/7/x.gz", "studies/a/2.log"}


def test_a_cache_that_fits_is_unchanged_and_a_missing_one_is_no_error(cache, tmp_path):
    before = files_in(cache)
    prune_cache(cache, 1.0, OURS)
    assert files_in(cache) == before
    prune_cache(tmp_path / "absent", 1.0, OURS)


def test_a_columns_file_that_was_used_again_is_recent(cache):
    os.utime(cache / "features" / "old")
    prune_cache(cache, 1500 / 2**30, OURS)
    assert files_in(cache) == {"features/old/00000.npy"}


def test_entries_that_a_live_run_used_since_its_start_are_kept(cache, other_run):
    prune_cache(cache, 1.0, other_run.pid)
    (cache / "features" / "new").mkdir()
    (cache / "features" / "new" / "00000.npy").write_bytes(bytes(1000))
    prune_cache(cache, 1e-9, OURS)
    assert files_in(cache) == {"features/new/00000.npy"}


def test_entries_of_an_ended_run_are_not_kept(cache, other_run):
    prune_cache(cache, 1.0, other_run.pid)
    (cache / "features" / "new").mkdir()
    (cache / "features" / "new" / "00000.npy").write_bytes(bytes(1000))
    other_run.kill()
    other_run.wait()
    prune_cache(cache, 1e-9, OURS)
    assert files_in(cache) == set()


def test_a_process_that_reused_the_id_of_an_ended_run_is_not_a_run(cache, other_run):
    prune_cache(cache, 1.0, other_run.pid)
    os.utime(cache / "runs" / str(other_run.pid), (FIRST_USE - 1, FIRST_USE - 1))
    prune_cache(cache, 1e-9, OURS)
    assert files_in(cache) == set()


def test_leftovers_of_killed_processes_are_deleted(cache):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    directory = cache / "features" / "old"
    (directory / f".1.npy.{ended.pid}-1.part").write_bytes(b"unfinished")
    (directory / f".2.npy.{OURS}-1.part").write_bytes(b"being written")
    before = files_in(cache)
    prune_cache(cache, 1.0, OURS)
    assert before - files_in(cache) == {f"features/old/.1.npy.{ended.pid}-1.part"}
