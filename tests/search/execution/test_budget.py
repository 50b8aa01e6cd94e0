from __future__ import annotations

import time

import pytest

from fmnist_lib.config.search import (
    BaselineCandidate,
    EnsembleCandidate,
    OptunaCandidate,
    SearchConfig,
)
from fmnist_lib.search.execution.budget import plan_budget


def config(shares, minutes=10.0, **values):
    candidates = [
        OptunaCandidate(id=f"c{i}", engine="optuna", families=("logistic",), share=share)
        for i, share in enumerate(shares)
    ]
    return SearchConfig(minutes=minutes, candidates=candidates, **values)


def seconds(budget, name):
    return budget.deadline_of(name) - time.time()


def test_the_largest_share_runs_to_the_end_and_the_others_divide_the_other_worker():
    budget = plan_budget(config([1.0, 5.0, 3.0]), cores=2)
    assert list(budget.shares) == ["c1", "c0", "c2"]
    assert budget.deadline_of("c1") == budget.search_deadline
    search = budget.search_deadline - time.time()
    assert seconds(budget, "c0") == pytest.approx(search / 4, abs=1)
    assert budget.deadline_of("c2") == pytest.approx(budget.search_deadline, abs=0.1)
    assert 500 < search < budget.deadline - time.time() - 40  # the rest is the winner's refit


def test_one_worker_divides_everything():
    budget = plan_budget(config([1.0, 1.0], workers=1), cores=4)
    assert seconds(budget, "c1") == pytest.approx((600 - 45) / 2, abs=1)
    assert budget.cores == 4


def test_features_are_part_of_the_budget_and_leave_something_for_the_search():
    budget = plan_budget(config([1.0]), started=time.time() - 100)
    assert budget.deadline == pytest.approx(time.time() + 500, abs=1)
    assert budget.refit_seconds_left() == pytest.approx(500 + 18, abs=1)
    assert budget.spent(rows=10, most_rows=20).seconds == pytest.approx(100, abs=1)
    slow = plan_budget(config([1.0]), started=time.time() - 10_000)
    assert slow.deadline == pytest.approx(time.time() + 120, abs=1)
    assert seconds(slow, "c0") > 60


def test_a_resumed_search_begins_again_without_the_finished_candidates():
    an_hour_ago = time.time() - 3600
    budget = plan_budget(config([5.0, 1.0, 1.0, 1.0]), cores=2)
    budget = budget.resumed(budget.search_started, finished=())
    later = budget.resumed(at=time.time() + 3600, finished={"c3", "c1"})
    assert later.search_deadline == pytest.approx(budget.search_deadline + 3600, abs=1)
    assert later.deadline - later.started == pytest.approx(budget.deadline - budget.started)
    assert later.deadline_of("c0") == later.search_deadline
    # c3 would follow: it finished before, so the last one has all the time.
    assert later.deadline_of("c2") == pytest.approx(later.search_deadline, abs=1)
    # The search was planned by the resumed run itself: nothing moves.
    assert budget.resumed(an_hour_ago, ()).deadline == budget.deadline


def test_an_ensemble_takes_no_time():
    baseline = BaselineCandidate(id="b", engine="baseline", strategy="majority", share=0.1)
    vote = EnsembleCandidate(id="e", engine="ensemble")
    (optuna,) = config([1.0]).candidates
    budget = plan_budget(SearchConfig(candidates=[optuna, baseline, vote]), cores=1)
    assert list(budget.shares) == ["c0", "b"]
