from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.search.execution.candidate import run
from fmnist_lib.search.execution.job import Job
from fmnist_lib.search.execution.refit import refit
from fmnist_lib.search.execution.result import FitTime


@pytest.fixture(scope="module")
def settings():
    return read_settings(DEFAULT_CONFIG)


@pytest.fixture(scope="module")
def winner(data, cache, settings):
    """Validated on the 3,000 training images, in 10 s as far as anybody knows."""
    candidate = OptunaCandidate(
        id="a", engine="optuna", families=("logistic",), features=("gradients",), trials=1
    )
    job = Job(candidate, data, 60.0, settings.seed, cache)
    result = run(job, lambda _: None, lambda _: None)
    return replace(result, fit_time=FitTime(rows=3000, seconds=10.0, growth=1.0))


def test_the_champion_is_fitted_on_training_and_validation_images(winner, data, settings, cache):
    champion, rows = refit(winner, [winner], data, settings, cache)
    assert rows == len(data.labels) == 4000
    before, now = (one.predict_proba(data.images[:200]) for one in (winner.pipeline, champion))
    assert not np.array_equal(before, now)


def test_with_little_time_on_some_of_them(winner, data, settings, cache):
    _, rows = refit(winner, [winner], data, settings, cache, seconds=14.0)
    assert 3000 < rows < 4000


def test_without_time_the_validated_pipeline_is_the_champion(winner, data, settings, cache):
    champion, rows = refit(winner, [winner], data, settings, cache, seconds=2.0)
    assert rows == 3000
    images = data.images[:200]
    np.testing.assert_array_equal(
        champion.predict_proba(images), winner.pipeline.predict_proba(images)
    )
