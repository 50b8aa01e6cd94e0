from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from fmnist_lib.config import OptunaCandidate
from fmnist_lib.errors import SearchError
from fmnist_lib.search import optuna_engine, pipelines
from fmnist_lib.search.tuning import Clock, tuning_rows


def candidate(**values):
    return OptunaCandidate(id="a", engine="optuna", families=("logistic", "neural"), **values)


def search(data, seconds=600.0, refit_seconds=600.0, **values):
    reports = []
    rows = tuning_rows(data, 1500, 0.2, seed=7)
    clock = Clock(seconds, refit_seconds, reports.append)
    return optuna_engine.search(candidate(**values), rows, clock, seed=7), reports, clock


def test_a_search_bounded_by_trials_is_repeatable_and_prunes(data):
    first, reports, _ = search(data, trials=10)
    second, _, _ = search(data, trials=10)
    assert first.params == second.params
    assert first.trials["value"].tolist() == second.trials["value"].tolist()
    assert len(first.trials) == len(reports) == 10
    assert set(first.trials["state"]) == {"complete", "pruned"}
    complete = first.trials[first.trials["state"] == "complete"]
    best = complete.loc[complete["value"].idxmax()]
    assert best["family"] == first.params["family"]
    assert reports[-1].best == pytest.approx(best["value"])


def test_a_search_bounded_by_time_leaves_time_for_the_refit(data):
    found, _, clock = search(data, seconds=12.0)
    assert clock.seconds < 12
    assert (found.trials["state"] == "complete").any()


def test_when_every_refit_is_too_long_the_quickest_is_taken_in_time(data):
    found, _, clock = search(data, seconds=6.0, refit_seconds=1e-6)
    assert clock.seconds < 6
    assert set(found.trials["state"]) == {"pruned"}
    assert found.trials["reason"].str.contains("the refit would take about|the time was up").all()
    assert found.pipeline.fit(data.train_images[:300], data.train_labels[:300])


def test_components_computed_once_are_those_of_the_pipeline(data):
    """The shortcut of the trials gives what the refitted pipeline's feature step gives."""
    params = {
        "family": "logistic",
        "features": "both",
        "normalise": "contrast",
        "pixel_components": 25,
        "cells": 4,
        "gradient_components": 40,
        "scale": "overall",
        "pixel_weight": 0.3,
        "C": 0.1,
    }
    rows = tuning_rows(data, 600, 0.2, seed=7)
    objective = optuna_engine._Objective(candidate(), rows, Clock(9, 9, print), seed=0)
    fit, holdout = objective._feature_columns(params, 600)
    features = Pipeline(pipelines.build_pipeline(params, 0).steps[:1]).fit(rows.images)
    np.testing.assert_allclose(np.abs(fit), np.abs(features.transform(rows.images)), atol=1e-3)
    np.testing.assert_allclose(
        np.abs(holdout), np.abs(features.transform(rows.holdout_images)), atol=1e-3
    )


def test_held_out_rows_are_not_fitted_on_and_the_same_for_all(data):
    small, large = (tuning_rows(data, rows, 0.2, seed=7) for rows in (300, 2000))
    np.testing.assert_array_equal(small.holdout_images, large.holdout_images)
    np.testing.assert_array_equal(small.images, large.images[:300])
    seen = {image.tobytes() for image in large.images}
    assert sum(image.tobytes() in seen for image in large.holdout_images) <= 2  # true duplicates


def test_a_space_that_only_breaks_is_one_message_with_the_reason(data, monkeypatch):
    def broken(*_):
        raise ValueError("no luck with this point")

    monkeypatch.setattr(pipelines, "tail_steps", broken)
    with pytest.raises(SearchError, match=r"none of 3 trials gave a pipeline.*no luck"):
        search(data, trials=3)
