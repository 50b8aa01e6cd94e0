from __future__ import annotations

import time

from fmnist_lib.config.search import TpotCandidate
from fmnist_lib.search.engines import tpot_engine
from fmnist_lib.search.engines.job import Job


def test_an_evolution_that_finds_nothing_better_stops_early(data, cache):
    candidate = TpotCandidate(id="t", engine="tpot", rows=500, components=10, population=2)
    deadline = time.time() + 600
    job = Job(candidate, data, 3, cache, deadline=deadline, max_stagnation_trials=1)
    found = tpot_engine.search(candidate, job, lambda *_: None)
    assert found.stopped == "no better pipeline in its last 2 generations"
    assert job.remaining > 500
    assert found.fit_time.rows == 500
