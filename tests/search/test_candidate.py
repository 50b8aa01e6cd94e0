from __future__ import annotations

import pytest

from fmnist_lib.config import TpotCandidate
from fmnist_lib.errors import SearchError
from fmnist_lib.search.candidate import run
from fmnist_lib.search.job import Job
from fmnist_lib.search.race import Race


def test_who_comes_too_late_says_so_and_leaves_the_processors_to_others(data, cache, tmp_path):
    shares, seconds = {"a": 1.0, "b": 1.0}, 20.0
    other = Race(tmp_path, "b", shares, seconds, workers=2)
    other.start()
    late = Job(
        TpotCandidate(id="a", engine="tpot"),
        data,
        seconds,
        seed=0,
        cache=cache,
        race_directory=tmp_path,
        race_shares=shares,
        race_seconds=seconds,
        workers=2,
    )
    with pytest.raises(SearchError, match=r"\d s of the search were left .* at least 25"):
        run(late, lambda _: None, lambda _: None)
    assert other.alone
