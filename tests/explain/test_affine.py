import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline

from fmnist_lib.explain.affine import front_and_classifier, probe_affine
from fmnist_lib.features.pixels import Pixels


def test_the_map_predicts_the_features_of_images_it_was_not_probed_with(
    linear_champion, train_images, test_images
):
    front, classifier = front_and_classifier(linear_champion)
    affine, _ = probe_affine(front, train_images[:50])
    features = front(test_images[:100])
    assert affine(test_images[:100]) == pytest.approx(features, abs=1e-3 * np.abs(features).max())
    assert classifier is linear_champion[-1]


def test_a_step_that_divides_each_image_by_its_norm_is_not_affine(length_one, train_images):
    affine, finding = probe_affine(length_one.transform, train_images[:50])
    assert affine is None
    assert "no fixed matrix" in finding


@pytest.mark.parametrize(("normalise", "is_affine"), [("none", True), ("contrast", False)])
def test_the_same_transformer_is_affine_or_not_by_its_parameter(train_images, normalise, is_affine):
    affine, _ = probe_affine(Pixels(normalise).transform, train_images[:50])
    assert (affine is not None) == is_affine


def test_source_pixels_follow_a_selection_of_columns(train_images, train_labels, pixels):
    selection = make_pipeline(pixels, SelectKBest(k=100)).fit(
        train_images[:500], train_labels[:500]
    )
    affine, _ = probe_affine(selection.transform, train_images[:50])
    assert affine.source_pixels().tolist() == selection[-1].get_support(indices=True).tolist()


def test_features_that_mix_pixels_have_no_source_pixel(train_images, pixels):
    mixed = make_pipeline(pixels, PCA(10)).fit(train_images[:500])
    affine, _ = probe_affine(mixed.transform, train_images[:50])
    assert affine.source_pixels() is None
