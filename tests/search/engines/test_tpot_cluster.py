"""TPOT on a real Dask cluster: a scheduler and workers in processes of their own."""

from __future__ import annotations

import pytest

from fmnist_lib.common.errors import SearchError
from fmnist_lib.config.search import TpotCandidate
from fmnist_lib.search.engines import dask_client
from fmnist_lib.search.engines.job import Job
from fmnist_lib.search.execution.candidate import search_candidate
from tests.dask_cluster import Cluster
from tests.ports import free_port


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def job(data, cache, cluster):
    candidate = TpotCandidate(
        id="t", engine="tpot", rows=500, components=20, population=6, generations=2
    )
    return Job(candidate, data, seed=5, cache=cache, dask_scheduler=cluster.address)


@pytest.mark.slow
@pytest.mark.long
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
    monkeypatch.setattr(dask_client, "_CONNECT_SECONDS", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(SearchError, match=f"expected a Dask scheduler at {address}, got: "):
        dask_client.dask_client(address).__enter__()
