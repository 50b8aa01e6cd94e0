from __future__ import annotations

import time
from dataclasses import replace

import pytest

from fmnist_lib.config.search import (
    BaselineCandidate,
    EnsembleCandidate,
    OptunaCandidate,
    SearchConfig,
)
from fmnist_lib.search.execution.budget import REFIT_SHARE, patch_sizes, plan_budget


def config(shares, minutes=10.0, **values):
    candidates = [
        OptunaCandidate(id=f"c{i}", engine="optuna", families=("logistic",), share=share)
        for i, share in enumerate(shares)
    ]
    return SearchConfig(minutes=minutes, candidates=candidates, **values)


def test_two_workers_share_the_search_time_fully():
    budget = plan_budget(config([1.0, 1.0, 1.0, 1.0]), cores=2)
    assert budget.workers == 2
    assert budget.threads == 1
    assert sum(budget.seconds.values()) == pytest.approx(2 * 600 * (1 - REFIT_SHARE))
    assert budget.refit_seconds == pytest.approx(600 * REFIT_SHARE)


def test_time_spent_on_features_is_taken_off():
    budget = plan_budget(config([1.0]), started=time.time() - 100, cores=2)
    assert budget.race_seconds == pytest.approx(500, abs=1)
    assert budget.seconds["c0"] == pytest.approx(500 - 600 * REFIT_SHARE, abs=1)
    assert budget.refit_seconds_left() == pytest.approx(500 + 5, abs=1)
    spent = budget.spent(rows=10, most_rows=20)
    assert spent.seconds == pytest.approx(100, abs=1)
    assert spent.total_seconds == pytest.approx(600)


def test_features_that_took_too_long_leave_something_for_the_search():
    budget = plan_budget(config([1.0]), started=time.time() - 10_000)
    assert budget.race_seconds == pytest.approx(120)
    assert budget.refit_seconds_left() == pytest.approx(120 + 5, abs=1)


def test_when_the_deadline_has_passed_only_a_resumed_run_has_time_for_the_refit():
    budget = replace(plan_budget(config([1.0])), deadline=time.time() - 100)
    assert budget.refit_seconds_left() == 0
    assert budget.refit_seconds_left(resumed=True) == pytest.approx(600 * REFIT_SHARE)


def test_the_longest_starts_first_and_a_long_one_last():
    assert plan_budget(config([1.0, 3.0, 2.0]), cores=2).order == ("c1", "c0", "c2")


def test_one_candidate_gets_all_cores():
    budget = plan_budget(config([1.0]), cores=4)
    assert (budget.workers, budget.threads) == (1, 4)


def test_a_choice_of_patch_sizes_takes_more_minutes():
    assert patch_sizes(config([1.0], minutes=1.0)) == ()
    assert patch_sizes(config([1.0], minutes=3.0)) == ("3+5+7",)
    assert patch_sizes(config([1.0], minutes=20.0)) == ("5", "3+5+7")


def test_a_baseline_takes_its_share_and_an_ensemble_none():
    baseline = BaselineCandidate(id="b", engine="baseline", strategy="majority", share=0.1)
    vote = EnsembleCandidate(id="e", engine="ensemble")
    (optuna,) = config([1.0]).candidates
    budget = plan_budget(SearchConfig(minutes=1.0, candidates=[optuna, baseline, vote]), cores=1)
    assert budget.seconds["c0"] == pytest.approx(10 * budget.seconds["b"])
    assert "e" not in budget.order
