import numpy as np
import pytest

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
