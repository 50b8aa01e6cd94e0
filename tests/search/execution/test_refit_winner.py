from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.search.engines.job import OUT_OF_TIME, Job
from fmnist_lib.search.engines.result import CandidateResult
from fmnist_lib.search.engines.run import run
from fmnist_lib.search.execution.refit_winner import early_stop_reason, refit_winner
from fmnist_lib.search.recipes.fit_time import FitTime


@pytest.fixture(scope="module")
def settings():
    return read_settings(DEFAULT_CONFIG)


@pytest.fixture(scope="module")
def winner(data, cache, settings):
    """Return a candidate validated on the 3,000 training images, in 10 s as it says."""
    candidate = OptunaCandidate(
        id="a", engine="optuna", families=("logistic",), features=("gradients",), trials=1
    )
    result = run((Job(candidate, data, settings.seed, cache), None), lambda _: None)
    return replace(result, fit_time=FitTime(rows=3000, seconds=10.0, growth=1.0))


def test_the_winner_is_fitted_on_training_and_validation_images(winner, data, settings, cache):
    model, rows = refit_winner(winner, [winner], data, settings, cache)
    assert rows == len(data.labels) == 4000
    before, now = (one.predict_proba(data.images[:200]) for one in (winner.pipeline, model))
    assert not np.array_equal(before, now)


def test_with_little_time_on_some_of_them(winner, data, settings, cache):
    _, rows = refit_winner(winner, [winner], data, settings, cache, seconds=14.0)
    assert 3000 < rows < 4000


def test_without_time_the_validated_pipeline_is_returned(winner, data, settings, cache):
    model, rows = refit_winner(winner, [winner], data, settings, cache, seconds=1.0)
    assert rows == 3000
    images = data.images[:200]
    np.testing.assert_array_equal(
        model.predict_proba(images), winner.pipeline.predict_proba(images)
    )


def test_a_run_stopped_early_if_no_candidate_used_its_time():
    winner = CandidateResult("a", "optuna", stopped="no better pipeline in its last 10 trials")
    baseline = CandidateResult("b", "baseline")
    late = CandidateResult("c", "tpot", stopped=OUT_OF_TIME)
    reason = "a found no better pipeline in its last 10 trials"
    assert early_stop_reason(winner, [winner, baseline]) == reason
    assert early_stop_reason(winner, [winner, baseline, late]) is None
    assert early_stop_reason(baseline, [baseline]) is None
    slow = CandidateResult("d", "optuna", error="timed out after 480 s")
    assert early_stop_reason(winner, [winner, slow]) is None
    vote = CandidateResult("e", "ensemble", error="an ensemble needs two candidates, 1 finished")
    assert early_stop_reason(winner, [winner, vote]) == reason
