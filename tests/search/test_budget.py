from __future__ import annotations

import pytest

from fmnist_lib.config import BaselineCandidate, OptunaCandidate, SearchConfig
from fmnist_lib.search.budget import REFIT_SHARE, plan_budget


def config(shares, **values):
    candidates = [
        OptunaCandidate(id=f"c{i}", engine="optuna", families=("logistic",), share=share)
        for i, share in enumerate(shares)
    ]
    return SearchConfig(minutes=10.0, candidates=candidates, **values)


def test_two_workers_share_the_search_time_fully():
    budget = plan_budget(config([1.0, 1.0, 1.0, 1.0]), cores=2)
    assert budget.workers == 2
    assert budget.threads == 1
    assert sum(budget.seconds.values()) == pytest.approx(2 * 600 * (1 - REFIT_SHARE))
    assert budget.refit_seconds == pytest.approx(600 * REFIT_SHARE)


def test_the_last_candidate_ends_with_the_search_time():
    """Three equal candidates on two workers: one worker idles, the wall time still holds."""
    budget = plan_budget(config([1.0, 1.0, 1.0]), cores=2)
    assert 2 * budget.seconds["c0"] == pytest.approx(600 * (1 - REFIT_SHARE))


def test_the_longest_start_first():
    assert plan_budget(config([1.0, 3.0, 2.0]), cores=2).order == ("c1", "c2", "c0")


def test_one_candidate_gets_all_cores():
    budget = plan_budget(config([1.0]), cores=4)
    assert (budget.workers, budget.threads) == (1, 4)


def test_a_baseline_takes_its_share_too():
    baseline = BaselineCandidate(id="b", engine="baseline", strategy="majority", share=0.1)
    (optuna,) = config([1.0]).candidates
    budget = plan_budget(SearchConfig(minutes=1.0, candidates=[optuna, baseline]), cores=1)
    assert budget.seconds["c0"] == pytest.approx(10 * budget.seconds["b"])
