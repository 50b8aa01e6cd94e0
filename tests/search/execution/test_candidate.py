from __future__ import annotations

import pandas as pd

from fmnist_lib.config.search import TpotCandidate
from fmnist_lib.search.execution import candidate
from fmnist_lib.search.execution.candidate import run
from fmnist_lib.search.execution.job import Job
from fmnist_lib.search.execution.result import Found
from fmnist_lib.search.recipes.recipe import Recipe


def test_what_was_found_before_is_not_searched_again(data, cache, monkeypatch):
    job = Job(TpotCandidate(id="t", engine="tpot"), data, 0.0, seed=0, cache=cache)
    found = Found(Recipe((), None), {}, pd.DataFrame(), "found before")
    monkeypatch.setattr(candidate, "_validated", lambda _job, found, *_: found)
    assert run(job, lambda _: None, lambda _: None, found) is found
