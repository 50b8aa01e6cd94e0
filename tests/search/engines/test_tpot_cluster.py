"""TPOT on a real Dask cluster: a scheduler and workers in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.search import TpotCandidate
from fmnist_lib.search.engines import tpot_cluster
from fmnist_lib.search.engines.job import Job
from fmnist_lib.search.execution.candidate import search_candidate
from tests.postgresql import free_port

pytestmark = pytest.mark.slow


class Cluster:
    """Processes of a Dask cluster on 127.0.0.1."""

    def __init__(self, directory):
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._directory, self._processes = directory, []

    def start(self, *words):
        limits = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT_ROOT)}
        command = [sys.executable, "-m", "dask", *map(str, words)]
        with (self._directory / "dask.log").open("a") as log:
            process = subprocess.Popen(
                command, env=os.environ | limits, cwd=self._directory, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def scheduler(self):
        host, port = self.address.removeprefix("tcp://").split(":")
        return self.start("scheduler", "--host", host, "--port", port, "--no-dashboard")

    def worker(self):
        options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--memory-limit", 0)
        return self.start("worker", self.address, *options)

    def stop(self):
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


@pytest.fixture
def job(data, cache, cluster):
    candidate = TpotCandidate(
        id="t", engine="tpot", rows=500, components=20, population=6, generations=2
    )
    return Job(candidate, data, seed=5, cache=cache, dask_scheduler=cluster.address)


def test_an_evolution_outlasts_a_killed_worker(job, cluster):
    cluster.scheduler()
    workers = [cluster.worker(), cluster.worker()]
    seen = []

    def kill_one(progress):
        seen.append(progress.trials)
        if progress.phase == "searching" and progress.trials == 5:
            workers[0].kill()

    result = search_candidate(job, kill_one)
    assert workers[0].wait(10) < 0
    assert result.error is None
    assert result.validation_accuracy.value > 0.5
    assert len(result.trials) >= 12
    assert (result.trials["state"] == "complete").sum() > 6
    assert max(seen) > 5


def test_a_cluster_that_does_not_answer_is_one_message(monkeypatch):
    monkeypatch.setattr(tpot_cluster, "_CONNECT_SECONDS", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(SearchError, match=f"expected a Dask scheduler at {address}, got: "):
        tpot_cluster.connect(address, print).__enter__()
