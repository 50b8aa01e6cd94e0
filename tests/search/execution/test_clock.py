from __future__ import annotations

import pytest

from fmnist_lib.search.execution.clock import Clock, RefitTime
from fmnist_lib.search.execution.race import Race


def test_without_a_race_the_limit_holds():
    clock = Clock(10.0, lambda _: None)
    assert clock.allows(RefitTime(train=4.0, champion=5.0), more=5.0)
    assert not clock.allows(RefitTime(train=4.0, champion=5.0), more=7.0)


def test_a_leader_that_goes_on_says_its_new_limit_before_the_work(tmp_path):
    leader, other = (Race(tmp_path, name, {"a": 1.0, "b": 1.0}, 100.0, 2) for name in "ab")
    leader.start()
    other.start()
    reports = []
    clock = Clock(10.0, reports.append, leader)
    refit = RefitTime(train=4.0, champion=20.0)
    clock.report("searching", 3, 0.9, refit)
    assert clock.allows(refit, more=30.0)
    assert reports[-1].limit == pytest.approx(leader.remaining, abs=1) == clock.limit
    assert (reports[-1].phase, reports[-1].trials, reports[-1].best) == ("searching", 3, 0.9)
    assert not clock.allows(refit, more=leader.remaining)  # no longer than the race
