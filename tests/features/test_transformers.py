from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from fmnist_lib.features.gradients import OrientedGradients
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.features.scaling import OverallScaler

TRANSFORMERS = [
    Pixels(),
    Pixels("contrast"),
    Pixels("length"),
    OrientedGradients(),
    OrientedGradients(cells=4),
]


@parametrize_with_checks([OverallScaler()])
def test_the_scaler_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_columns_are_float32_finite_and_do_not_depend_on_the_batch(transformer, test_images):
    columns = clone(transformer).fit_transform(test_images[:300])
    assert columns.dtype == np.float32
    assert columns.shape == (300, transformer.fit(test_images[:1]).n_features_out_)
    assert np.isfinite(columns).all()
    alone = clone(transformer).fit(test_images[:1]).transform(test_images[7:8])
    np.testing.assert_allclose(alone[0], columns[7], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_an_empty_image_gives_finite_columns(transformer):
    assert np.isfinite(transformer.fit_transform(np.zeros((2, 28, 28), np.uint8))).all()


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_flat_and_square_images_give_the_same_columns(transformer, test_images):
    square, flat = test_images[:20], test_images[:20].reshape(20, 784)
    np.testing.assert_array_equal(
        transformer.fit_transform(square), transformer.fit_transform(flat)
    )


def test_contrast_gives_every_image_mean_zero_and_deviation_one(test_images):
    pixels = Pixels("contrast").fit_transform(test_images[:100])
    np.testing.assert_allclose(pixels.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(pixels.std(axis=1), 1, atol=1e-4)


def test_gradients_do_not_see_the_overall_brightness(test_images):
    """Halving the ink leaves the shape as it is: blocks are normalised."""
    even = test_images[:50] // 2 * 2
    bright = OrientedGradients().fit_transform(even)
    dark = OrientedGradients().fit_transform(even // 2)
    np.testing.assert_allclose(bright, dark, atol=1e-4)


def test_an_edge_falls_into_the_bin_of_its_direction():
    image = np.zeros((1, 28, 28), np.uint8)
    image[:, :, 14:] = 200
    blocks = OrientedGradients(cells=4, orientations=8).fit_transform(image).reshape(-1, 8)
    ink = blocks.sum(axis=0)
    assert ink[0] > 0
    np.testing.assert_allclose(ink[1:], 0, atol=1e-6)
    flipped = OrientedGradients(cells=4, orientations=8).fit_transform(image[:, :, ::-1])
    assert flipped.reshape(-1, 8).sum(axis=0)[4] > 0


def test_overall_scaling_keeps_the_proportions():
    columns = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 10]
    scaled = OverallScaler().fit_transform(columns)
    assert scaled.var(axis=0).mean() == pytest.approx(1)
    np.testing.assert_allclose(
        scaled.std(axis=0)[1:] / scaled.std(axis=0)[0],
        columns.std(axis=0)[1:] / columns.std(axis=0)[0],
    )
