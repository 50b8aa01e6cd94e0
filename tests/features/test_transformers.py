from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fmnist_lib.features.block import FeatureBlock
from fmnist_lib.features.patch_scales import PatchScales
from fmnist_lib.features.patches import PatchDictionary
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


def test_patch_scales_concatenate_one_dictionary_per_size(test_images):
    images = test_images[:60]
    scales = PatchScales(PatchDictionary(atoms=6, cells=4, threshold=0.1), (3, 7), random_state=0)
    columns = scales.fit_transform(images)
    assert columns.shape == (60, 2 * 4**2 * 2 * 6)
    assert [one.get_params()["threshold"] for one in scales.dictionaries_] == [0.1, 0.1]
    parts = [dictionary.transform(images) for dictionary in scales.dictionaries_]
    np.testing.assert_array_equal(columns, np.hstack(parts))


def test_components_are_those_of_the_images_and_their_mirror_images_together(test_images):
    images = test_images[:150]
    patches = PatchDictionary(atoms=4, cells=3, random_state=0)
    block = FeatureBlock(patches, symmetric=4, antisymmetric=2, whitening=0, random_state=0)
    columns = block.fit(images).transform(images)
    raw = block.extractor_.transform(images)
    both = np.vstack([raw, raw[:, block.extractor_.mirror_columns()]])
    deviations = np.linalg.svd(both - both.mean(axis=0), compute_uv=False) / np.sqrt(len(both))
    found = np.sort(block.deviations_)[::-1]
    # The leading component overall is the leading symmetric or antisymmetric one.
    np.testing.assert_allclose(found[:3], deviations[:3], rtol=1e-3)
    lengths = (columns / block.column_scale()).std(axis=0)
    np.testing.assert_allclose(lengths[:4], block.deviations_[:4], rtol=1e-3)
    mirrored = block.transform(images[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, :4], columns[:, :4], atol=1e-4)
    np.testing.assert_allclose(mirrored[:, 4:], -columns[:, 4:], atol=1e-4)
