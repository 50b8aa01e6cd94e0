import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.explain.attribution import attribute, mean_image, values_of_class
from fmnist_lib.explain.deletion import FRACTIONS, deletion_test


@pytest.fixture(scope="module")
def images(test_images):
    return test_images[:20]


@pytest.fixture(scope="module")
def maps(linear_champion, images, train_images):
    result = attribute(linear_champion, images, train_images[:100], evaluations=200)
    return values_of_class(result.shap_values, result.outputs.argmax(axis=1))


@pytest.fixture(scope="module")
def hidden(train_images):
    return mean_image(train_images)


def test_the_maps_of_the_model_itself_pass(linear_champion, images, maps, hidden):
    test = deletion_test(linear_champion.predict_proba, images, maps, hidden, seed=0)
    assert test.passed
    assert test.over_random.difference.low > 0.1
    assert test.over_displaced.difference.low > 0.1
    assert "can be trusted" in test.verdict


def test_random_maps_fail(linear_champion, images, hidden):
    random = np.random.default_rng(1).normal(size=images.shape)
    test = deletion_test(linear_champion.predict_proba, images, random, hidden, seed=0)
    assert not test.passed
    assert test.over_random.difference.low < 0.02
    assert "Do not rely" in test.verdict


def test_maps_of_the_wrong_sign_fail(linear_champion, images, maps, hidden):
    test = deletion_test(linear_champion.predict_proba, images, -maps, hidden, seed=0)
    assert test.over_random.difference.high < 0
    assert not test.passed


def test_exactly_the_highest_pixels_are_hidden(images, hidden):
    seen = []

    def record(batch):
        seen.append(batch.copy())
        return np.tile(np.eye(10)[0], (len(batch), 1))

    scores = np.arange(784.0).reshape(1, 28, 28).repeat(len(images), axis=0)
    deletion_test(record, images, scores, hidden, seed=0)
    masked = seen[1].reshape(len(images), len(FRACTIONS), 784)
    for place, fraction in enumerate(FRACTIONS):
        kept = 784 - round(fraction * 784)
        assert (masked[:, place, :kept] == images.reshape(-1, 784)[:, :kept]).all()
        assert (masked[:, place, kept:] == hidden.ravel()[kept:]).all()


def test_the_same_seed_gives_the_same_numbers(linear_champion, images, maps, hidden):
    predict = linear_champion.predict_proba
    first, second = (deletion_test(predict, images, maps, hidden, seed=5) for _ in range(2))
    assert (first.random == second.random).all()
    assert first.over_displaced == second.over_displaced


def test_maps_of_another_shape_are_refused(linear_champion, images, maps, hidden):
    with pytest.raises(DataError, match="a map for each"):
        deletion_test(linear_champion.predict_proba, images, maps[:5], hidden, seed=0)
