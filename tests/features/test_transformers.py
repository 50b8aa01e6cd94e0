from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fmnist_lib.features.pixels import Pixels
from fmnist_lib.features.scaling import OverallScaler


@parametrize_with_checks([OverallScaler()])
def test_the_scaler_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_contrast_gives_every_image_mean_zero_and_deviation_one(test_images):
    pixels = Pixels("contrast").fit_transform(test_images[:100])
    np.testing.assert_allclose(pixels.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(pixels.std(axis=1), 1, atol=1e-4)


def test_overall_scaling_keeps_the_proportions():
    columns = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 10]
    scaled = OverallScaler().fit_transform(columns)
    assert scaled.var(axis=0).mean() == pytest.approx(1)
    np.testing.assert_allclose(
        scaled.std(axis=0)[1:] / scaled.std(axis=0)[0],
        columns.std(axis=0)[1:] / columns.std(axis=0)[0],
    )
