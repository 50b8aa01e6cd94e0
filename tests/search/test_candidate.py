from __future__ import annotations

import pandas as pd
import pytest

from fmnist_lib.config import TpotCandidate
from fmnist_lib.errors import SearchError
from fmnist_lib.search import candidate
from fmnist_lib.search.candidate import run
from fmnist_lib.search.job import Job
from fmnist_lib.search.race import Race
from fmnist_lib.search.recipe import Recipe
from fmnist_lib.search.result import Found

SHARES, SECONDS = {"a": 1.0, "b": 1.0}, 20.0


@pytest.fixture
def other(tmp_path):
    race = Race(tmp_path, "b", SHARES, SECONDS, workers=2)
    race.start()
    return race


@pytest.fixture
def late(data, cache, tmp_path):
    return Job(
        TpotCandidate(id="a", engine="tpot"),
        data,
        SECONDS,
        seed=0,
        cache=cache,
        race_directory=tmp_path,
        race_shares=SHARES,
        race_seconds=SECONDS,
        workers=2,
    )


def test_who_comes_too_late_says_so_and_leaves_the_processors_to_others(late, other):
    with pytest.raises(SearchError, match=r"\d s of the search were left .* at least 25"):
        run(late, lambda _: None, lambda _: None)
    assert other.alone


def test_what_was_found_is_fitted_in_whatever_time_is_left(late, other, monkeypatch):
    found = Found(Recipe((), None), {}, pd.DataFrame(), "found before")
    monkeypatch.setattr(candidate, "_validated", lambda _job, found, *_: found)
    assert run(late, lambda _: None, lambda _: None, found) is found
    assert other.alone
