import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.explain.attribution import attribute, mean_image, values_of_class
from fmnist_lib.explain.faithfulness import FRACTIONS, faithfulness_test

#: Two images per class.
PAIRS = np.repeat(np.arange(10), 2)


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


@pytest.fixture
def check(linear_champion, images, hidden):
    """Return a function that tests maps of the linear champion."""

    def test(maps, predict_proba=linear_champion.predict_proba, labels=PAIRS):
        return faithfulness_test(predict_proba, images, maps, labels, hidden, seed=0)

    return test


def test_the_maps_of_the_model_itself_pass_both_tests(check, maps):
    test = check(maps)
    assert test.deletion.passed
    assert test.insertion.passed
    assert test.deletion.over_random.difference.low > 0.1
    assert test.deletion.over_displaced.difference.low > 0.1
    assert test.insertion.smallest.low > 0.05
    assert test.classes_ahead[0] >= 9


def test_random_maps_fail(check, images):
    test = check(np.random.default_rng(1).normal(size=images.shape))
    assert not test.deletion.passed
    assert not test.insertion.passed
    assert test.deletion.over_random.difference.low < 0.02


def test_maps_of_the_wrong_sign_fail(check, maps):
    test = check(-maps)
    assert test.deletion.over_random.difference.high < 0
    assert not test.deletion.passed


def test_exactly_the_highest_pixels_are_hidden_and_then_shown(check, images, hidden, monkeypatch):
    seen = []

    def record(batch):
        seen.append(batch.copy())
        return np.tile(np.eye(10)[0], (len(batch), 1))

    scores = np.arange(784.0).reshape(1, 28, 28).repeat(len(images), axis=0)
    monkeypatch.setenv("FMNIST_THREADS", "1")
    check(scores, record)
    n = len(images) + 1
    masked = np.concatenate(seen)[n : n + len(images) * 2 * len(FRACTIONS)]
    masked = masked.reshape(len(images), 2, len(FRACTIONS), 784)
    original = images.reshape(-1, 784)
    for place, fraction in enumerate(FRACTIONS):
        kept = 784 - round(fraction * 784)
        without, only = masked[:, 0, place], masked[:, 1, place]
        assert (without[:, :kept] == original[:, :kept]).all()
        assert (without[:, kept:] == hidden.ravel()[kept:]).all()
        assert (only[:, :kept] == hidden.ravel()[:kept]).all()
        assert (only[:, kept:] == original[:, kept:]).all()


def test_the_same_seed_gives_the_same_numbers(check, maps):
    first, second = check(maps), check(maps)
    assert (first.deletion.random == second.deletion.random).all()
    assert first.insertion.over_displaced == second.insertion.over_displaced


def test_a_class_with_one_image_has_no_interval(check, maps):
    test = check(maps, labels=np.r_[np.zeros(19, dtype=int), 3])
    assert test.deletion.by_class[3] is None
    assert test.deletion.by_class[0] is not None
    assert test.classes_ahead[1] == 1


def test_the_controls_of_a_constant_predictor_are_as_good(check, maps):
    test = check(maps, lambda batch: np.full((len(batch), 10), 0.1))
    assert not test.deletion.passed
    assert test.deletion.smallest.value == pytest.approx(0)
    assert np.isfinite([test.deletion.smallest.low, test.insertion.smallest.high]).all()


def test_maps_of_another_shape_are_refused(check, maps):
    with pytest.raises(DataError, match="a map for each"):
        check(maps[:5])
