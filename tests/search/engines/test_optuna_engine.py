from __future__ import annotations

from dataclasses import asdict
from unittest.mock import Mock

import numpy as np
import optuna
import pytest

from fmnist_lib.common.errors import SearchError
from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.search.engines import optuna_engine
from fmnist_lib.search.engines.search_space import starting_points
from fmnist_lib.search.execution.clock import MARGIN, Clock
from fmnist_lib.search.execution.job import Job
from fmnist_lib.search.execution.result import FitTime
from fmnist_lib.search.recipes import pipelines


@pytest.fixture
def search(data, cache):
    def run(seconds=600.0, warm_start=False, max_model_mb=150.0, **values):
        values = {"families": ("logistic", "kernel"), "features": ("gradients",)} | values
        candidate = OptunaCandidate(id="a", engine="optuna", **values)
        job = Job(
            candidate, data, seconds, 7, cache, warm_start=warm_start, max_model_mb=max_model_mb
        )
        reports, kept = [], []
        clock = Clock(seconds, reports.append)
        found = optuna_engine.search(candidate, job, clock, kept.append)
        return found, reports, kept, clock

    return run


def test_a_search_bounded_by_trials_is_repeatable_and_prunes(search):
    first, reports, kept, _ = search(trials=12)
    second, _, _, _ = search(trials=12)
    assert first.params == second.params
    assert first.trials["value"].tolist() == second.trials["value"].tolist()
    assert len(first.trials) == len(reports) == 12
    assert set(first.trials["state"]) == {"complete", "pruned"}
    complete = first.trials[first.trials["state"] == "complete"]
    assert first.score in complete["value"].tolist()
    assert first.score == reports[-1].best
    assert kept[-1].params == first.params
    assert sum(first.importances.values()) == pytest.approx(1)


@pytest.mark.parametrize(("more_right", "given_up"), [(5, False), (100, True)])
def test_a_starting_point_is_given_up_only_for_a_clearly_better_one(
    more_right, given_up, search, monkeypatch
):
    candidate = OptunaCandidate(id="a", engine="optuna", families=["kernel"])
    (start,) = starting_points(candidate, ("5",))

    def fit_and_score(_objective, recipe, _n_fit, n_holdout):
        is_start = recipe.learner.ridge == start["ridge"]
        correct = np.arange(n_holdout) < 0.5 * n_holdout
        if not is_start:
            # As many that only this one gets right as that it gets wrong, and some more.
            correct[:10] = False
            correct[-10 - more_right :] = True
        return correct, (1e-3, 1.0), 1e-6

    monkeypatch.setattr(optuna_engine._Objective, "_fit_and_score", fit_and_score)
    found, _, _, _ = search(trials=4, families=("kernel",))
    assert (found.params["ridge"] != start["ridge"]) == given_up
    assert len(found.trials) == 4


def test_a_search_bounded_by_time_leaves_time_for_the_refit(search):
    found, _, _, clock = search(seconds=15.0)
    assert clock.seconds < 15
    assert (found.trials["state"] == "complete").any()


def test_what_was_found_knows_how_many_rows_there_is_time_for(search):
    found, _, _, _ = search(seconds=8.0, families=("kernel",))
    assert found.fit_time.rows > 0
    assert found.fit_time.at(2 * found.fit_time.rows) > 3 * found.fit_time.seconds
    bounded, _, _, _ = search(trials=2, families=("kernel",))
    assert bounded.fit_time is None


def test_who_is_the_last_to_search_has_all_processors_for_its_refit(data, cache):
    candidate = OptunaCandidate(id="a", engine="optuna", families=["kernel"])
    job = Job(candidate, data, 600.0, 7, cache, champion_threads=2)
    fit_time = FitTime(data.n_train, 10.0, 1.9, parallel=True, threads=1.0)
    trial = optuna.trial.create_trial(
        value=0.9, user_attrs={"fit_time": asdict(fit_time), "other_seconds": 0.0}
    )

    def refit(alone):
        clock = Mock(alone=alone, train_limit=100.0, champion_limit=100.0)
        return optuna_engine._Objective(candidate, job, clock, None)._refit_time(trial)

    assert refit(alone=False).train == pytest.approx(MARGIN * 10)
    assert refit(alone=True).train == pytest.approx(MARGIN * 10 / 1.55)
    assert refit(alone=True).champion == refit(alone=False).champion


def test_a_later_search_first_tries_what_was_best_before(search, monkeypatch):
    first, _, _, _ = search(seconds=12.0)
    enqueued = []
    # Recorded instead of tried: how many there is time to try depends on the machine.
    monkeypatch.setattr(
        optuna.Study, "enqueue_trial", lambda _study, point, **_: enqueued.append(point)
    )
    search(seconds=8.0, warm_start=True)
    starting_point, best, *_ = enqueued
    assert starting_point["family"] == "kernel"
    finalists = first.trials[first.trials["rung"] == first.trials["rung"].max()]
    assert any(
        all(row[name] == value for name, value in best.items() if name in row)
        for row in finalists.nlargest(1, "value", keep="all").to_dict("records")
    )


def test_a_space_that_only_breaks_is_one_message_with_the_reason(search, monkeypatch):
    def broken(*_):
        raise ValueError("no luck with this point")

    monkeypatch.setattr(pipelines, "make_recipe", broken)
    with pytest.raises(SearchError, match=r"none of 3 trials gave a pipeline.*no luck"):
        search(trials=3)


def test_a_model_that_would_be_too_large_is_not_fitted(search):
    with pytest.raises(SearchError, match=r"none of 2 trials.* MB, and at most 0.1 are allowed"):
        search(trials=2, families=("kernel",), max_model_mb=0.1)
