from __future__ import annotations

import time

import numpy as np
import optuna
import pytest

from fmnist_lib.common.errors import SearchError
from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.search.engines import optuna_engine
from fmnist_lib.search.engines.job import Job
from fmnist_lib.search.engines.objective import Objective
from fmnist_lib.search.engines.recorded_fit import RecordedFit
from fmnist_lib.search.engines.search_space import starting_points
from fmnist_lib.search.recipes import pipelines


@pytest.fixture
def search(data, cache):
    def run(seconds=None, limits=None, **values):
        values = {"families": ("logistic", "kernel"), "features": ("gradients",)} | values
        candidate = OptunaCandidate(id="a", engine="optuna", **values)
        limits = {"max_model_mb": 150.0} | (limits or {})
        if seconds is not None:
            limits["deadline"] = time.time() + seconds
        job = Job(candidate, data, seed=7, cache=cache, **limits)
        reports = []
        found = optuna_engine.search(candidate, job, lambda *values: reports.append(values))
        return found, reports, job

    return run


def test_the_best_recipe_has_a_learning_curve(search):
    found, _, job = search(trials=4)
    rows = [point.rows for point in found.learning_curve]
    assert rows == [job.data.n_fit // 16, job.data.n_fit // 4, job.data.n_fit]
    assert found.learning_curve[-1].accuracy.value == found.score


def test_a_search_bounded_by_trials_is_reproducible_and_prunes(search):
    first, reports, _ = search(trials=12)
    second, _, _ = search(trials=12)
    assert first.params == second.params
    assert first.trials["value"].tolist() == second.trials["value"].tolist()
    assert [trials for trials, _, _ in reports] == list(range(1, 13))
    assert set(first.trials["state"]) == {"complete", "pruned"}
    complete = first.trials[first.trials["state"] == "complete"]
    assert first.score in complete["value"].tolist()
    assert first.score == reports[-1][1]
    assert [better for _, _, better in reports if better][-1].params == first.params
    assert first.stopped is None
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
        return RecordedFit(correct, 1e-3, 1.0, 1e-6)

    monkeypatch.setattr(Objective, "_fit_and_score", fit_and_score)
    found, _, _ = search(trials=4, families=("kernel",))
    assert (found.params["ridge"] != start["ridge"]) == given_up
    assert len(found.trials) == 4


def test_a_search_bounded_by_time_leaves_time_for_the_refit(search):
    found, _, job = search(seconds=15.0)
    assert job.remaining > 0
    assert found.stopped == "its time was up"
    assert (found.trials["state"] == "complete").any()
    assert found.fit_time.rows > 0


def test_a_search_that_finds_nothing_better_stops_early(search):
    found, _, job = search(seconds=600.0, limits={"max_stagnation_trials": 3})
    assert found.stopped == "no better pipeline in its last 3 trials"
    best = found.trials.loc[found.trials["value"] == found.score, "number"]
    assert len(found.trials) - 1 - 3 in best.tolist()
    assert job.remaining > 500


def test_a_later_search_first_tries_what_was_best_before(search, monkeypatch):
    first, _, _ = search(seconds=12.0)
    enqueued = []
    # Recorded instead of tried: how many there is time to try depends on the machine.
    monkeypatch.setattr(
        optuna.Study, "enqueue_trial", lambda _study, point, **_: enqueued.append(point)
    )
    search(seconds=8.0, limits={"warm_start": True})
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
        search(trials=2, families=("kernel",), limits={"max_model_mb": 0.1})


def test_an_interrupted_search_is_continued_without_repeating_a_fit(search, monkeypatch):
    """Bounded by trials: the same trials, to the last digit, as in one go."""
    whole, _, _ = search(trials=12)
    fits, fit_and_score = [], Objective._fit_and_score

    def count(objective, *values):
        fits.append(values)
        if len(fits) == 9:
            raise KeyboardInterrupt
        return fit_and_score(objective, *values)

    monkeypatch.setattr(Objective, "_fit_and_score", count)
    name = {"study_name": "FashionMnistTrain/17/a"}
    with pytest.raises(KeyboardInterrupt):
        search(trials=12, limits=name)
    assert len(fits) == 9
    continued, reports, _ = search(trials=12, limits=name)
    n_fits = int(whole.trials["rung"].map({1: 1, 4: 2, 16: 3}).sum())
    assert len(fits) == n_fits + 1  # the one that was interrupted
    assert continued.params == whole.params
    compared = ["number", "state", "value", "rung"]
    assert continued.trials[compared].equals(whole.trials[compared])
    assert [trials for trials, _, _ in reports] == list(range(1, 13))
