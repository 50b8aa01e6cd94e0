from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.search import OptunaCandidate
from fmnist_lib.config.training import DEFAULT_CONFIG, CrossFitConfig
from fmnist_lib.search.engines.ensemble import ENGINE
from fmnist_lib.search.engines.job import Job
from fmnist_lib.search.engines.result import CandidateResult
from fmnist_lib.search.engines.run import run
from fmnist_lib.search.execution.cross_fit import cross_fit
from tests.dask_cluster import Cluster


@pytest.fixture(scope="module")
def settings():
    settings = read_settings(DEFAULT_CONFIG)
    return settings.model_copy(update={"cross_fit": CrossFitConfig(folds=3)})


@pytest.fixture(scope="module")
def winner(data, cache, settings):
    candidate = OptunaCandidate(
        id="a", engine="optuna", families=("logistic",), features=("gradients",), trials=1
    )
    return run((Job(candidate, data, settings.seed, cache), None), lambda _: None)


def test_every_image_is_predicted_by_a_fit_without_it(winner, data, settings, cache):
    found = cross_fit(winner, [winner], data, settings, cache)
    np.testing.assert_array_equal(found.numbers, np.sort(data.numbers))
    labels = dict(zip(data.numbers, data.labels, strict=True))
    assert found.labels.tolist() == [labels[number] for number in found.numbers]
    assert found.probabilities.shape == (4000, 10)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.bincount(found.fold).tolist() == pytest.approx([1333] * 3, abs=2)
    assert abs(found.correct.mean() - winner.validation_accuracy.value) < 0.03

    # A wrong label changes the answers of the other folds' images only.
    wrong = replace(data, labels=data.labels.copy())
    row = int(np.flatnonzero(data.numbers == found.numbers[0])[0])
    wrong.labels[row] = (wrong.labels[row] + 5) % 10
    again = cross_fit(winner, [winner], wrong, settings, cache)
    assert not np.array_equal(again.probabilities, found.probabilities)
    assert again.probabilities[0].argmax() == found.probabilities[0].argmax()


def test_a_sample_has_the_same_share_of_every_class(winner, data, settings, cache):
    settings = settings.model_copy(update={"cross_fit": CrossFitConfig(folds=2, rows=1000)})
    found = cross_fit(winner, [winner], data, settings, cache)
    assert len(found.labels) == 1000
    assert found.n_available == 4000
    shares = np.bincount(found.labels) / 1000
    np.testing.assert_allclose(shares, np.bincount(data.labels) / 4000, atol=0.002)


def test_an_ensemble_is_cross_fitted_member_by_member(winner, data, settings, cache):
    vote = CandidateResult("vote", ENGINE, params={"a": 0.75, "b": 0.25})
    found = cross_fit(vote, [winner, replace(winner, id="b"), vote], data, settings, cache)
    alone = cross_fit(winner, [winner], data, settings, cache)
    np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-6)


def test_a_class_that_a_fold_lacks_gets_no_probability_there(winner, data, settings, cache):
    rare = replace(data, labels=np.where(data.labels == 3, 4, data.labels).astype(np.uint8))
    rare.labels[10] = 3
    with pytest.warns(UserWarning, match="least populated class"):
        found = cross_fit(winner, [winner], rare, settings, cache)
    only = int(np.flatnonzero(found.labels == 3)[0])
    assert found.probabilities[only, 3] == 0
    assert np.isfinite(found.probabilities).all()


@pytest.mark.slow
def test_the_folds_are_fitted_on_a_dask_cluster_to_the_same_digits(
    winner, data, settings, cache, tmp_path
):
    alone = cross_fit(winner, [winner], data, settings, cache)
    with Cluster(tmp_path) as cluster:
        cluster.scheduler()
        cluster.worker()
        search = settings.search.model_copy(update={"dask_scheduler": cluster.address})
        settings = settings.model_copy(update={"search": search})
        found = cross_fit(winner, [winner], data, settings, cache)
        assert "Receive client connection" in cluster.log.read_text()
    np.testing.assert_array_equal(found.probabilities, alone.probabilities)
