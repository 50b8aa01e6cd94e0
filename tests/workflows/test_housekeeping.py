"""Files of runs outside the datastore that a clean-up may delete."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fmnist_lib.common.deletion import BUNDLES, CACHE, SPOOL
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.workflows.housekeeping import ProjectFiles

RUN, LONG_AGO = "FashionMnistTrain/17", 1e9


@pytest.fixture
def files(tmp_path):
    settings = read_settings(DEFAULT_CONFIG)
    search = settings.search.model_copy(update={"cache_gib": 1500 / 2**30})
    return ProjectFiles(settings.model_copy(update={"search": search}), tmp_path)


def write(path, when=LONG_AGO):
    """Write 1,000 bytes, in the past."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(1000))
    for one in (path, path.parent):
        os.utime(one, (when, when))


def test_the_files_of_a_run_are_its_bundle_and_its_part_of_the_cache(files, tmp_path):
    own = {
        tmp_path / "bundles" / f"FashionMnistTrain-17{suffix}"
        for suffix in (".zip", ".html", ".pdf")
    }
    own |= {tmp_path / ".cache" / part / "17" / "file" for part in ("retraining", "progress")}
    others = {
        tmp_path / "bundles" / "FashionMnistTrain-171.zip",
        tmp_path / "bundles" / "RUN.zip",
        tmp_path / ".cache" / "retraining" / "171" / "file",
    }
    for path in own | others:
        write(path)
    assert sum(deletion.apply() for deletion in files.of_run(RUN)) == 5000
    assert not any(path.exists() for path in own)
    assert all(path.exists() for path in others)


def test_leftovers_and_the_least_recently_used_part_of_the_cache_belong_to_no_run(files, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leftovers = {
        tmp_path / "bundles" / f".a.zip.{ended.pid}-1.part": BUNDLES,
        tmp_path / "mlruns" / "spool" / ".FashionMnistTrain-1.unfinished": SPOOL,
        tmp_path / ".cache" / "studies" / "a" / "1.log": CACHE,
    }
    write(tmp_path / "bundles" / f".a.zip.{ended.pid}-1.part")
    write(tmp_path / "mlruns" / "spool" / ".FashionMnistTrain-1.unfinished" / "record.pickle")
    write(tmp_path / ".cache" / "studies" / "a" / "1.log")
    write(tmp_path / ".cache" / "studies" / "a" / "2.log", LONG_AGO + 100)
    # In use, delivered later, or too recent.
    write(tmp_path / "bundles" / f".b.zip.{os.getpid()}-1.part")
    write(tmp_path / "mlruns" / "spool" / "FashionMnistTrain-17" / "record.pickle")
    write(tmp_path / "mlruns" / "spool" / ".FashionMnistTrain-2.unfinished" / "x", LONG_AGO + 100)
    found = {deletion.path: deletion.kind for deletion in files.of_no_run(LONG_AGO + 50)}
    assert found == leftovers
    assert files.spooled([RUN, "FashionMnistTrain/1"]) == {RUN}
