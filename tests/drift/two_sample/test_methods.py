from typing import get_args

import numpy as np
import pytest

from fmnist_lib.common.errors import ConfigError, DataError
from fmnist_lib.config.drift import DriftConfig, TestMethod
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.shifts.catalogue import simulate
from fmnist_lib.drift.two_sample.methods import two_sample_test
from fmnist_lib.drift.two_sample.mmd import unbiased_mmd

METHODS = get_args(TestMethod)
CONFIG = DriftConfig(permutations=199, mmd_rows=300, domain_rows=800)


@pytest.fixture(scope="module")
def noisy(champion, held_out):
    images = simulate(
        "gaussian_noise", held_out[1].images, held_out[1].classes, 0, severity=100
    ).images
    return Batch(images, champion.predict_proba(images))


def _of_classes(classes):
    probabilities = np.full((len(classes), 10), 0.01)
    probabilities[np.arange(len(classes)), classes] = 0.91
    return Batch(np.zeros((len(classes), 28, 28), np.uint8), probabilities)


@pytest.mark.parametrize("method", METHODS)
def test_strong_noise_is_detected_and_other_held_out_images_are_not(method, held_out, noisy):
    same = two_sample_test(method, *held_out, CONFIG, seed=0)
    moved = two_sample_test(method, held_out[0], noisy, CONFIG, seed=0)
    assert moved.drifted
    assert not same.drifted
    assert 0 <= same.effect_size < moved.effect_size <= 1


@pytest.mark.parametrize("method", METHODS)
def test_one_result_with_one_value_per_column(method, held_out):
    result = two_sample_test(method, *held_out, CONFIG, seed=0)
    assert result.method == method
    shape = (len(result.columns),)
    assert (
        result.statistic.shape == result.p_values.shape == result.adjusted_p_values.shape == shape
    )
    assert ((result.p_values > 0) & (result.p_values <= 1)).all()
    assert (result.adjusted_p_values >= result.p_values).all()
    assert result.p_value == result.adjusted_p_values.min()
    assert result.strongest in result.columns


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_p_values(method, held_out):
    first, again = (two_sample_test(method, *held_out, CONFIG, seed=3) for _ in range(2))
    assert (first.p_values == again.p_values).all()


def test_absent_classes_change_nothing(rng):
    before, now = rng.integers(0, 3, 500), rng.integers(0, 3, 500)
    low = two_sample_test("chi2-classes", _of_classes(before), _of_classes(now), CONFIG, 0)
    high = two_sample_test("chi2-classes", _of_classes(before + 7), _of_classes(now + 7), CONFIG, 1)
    assert low.p_value == pytest.approx(high.p_value)


def test_a_class_that_only_the_batch_has_is_detected():
    before, now = np.arange(500) % 9, np.arange(500) % 10
    result = two_sample_test("chi2-classes", _of_classes(before), _of_classes(now), CONFIG, 0)
    assert result.drifted
    assert result.effect_size == pytest.approx(0.1)


def test_one_class_on_both_sides_is_no_difference():
    one = _of_classes(np.full(20, 4))
    assert two_sample_test("chi2-classes", one, one, CONFIG, 0).p_value == 1.0


def test_mmd_is_the_double_sum_by_hand(rng):
    rows = rng.normal(size=(9, 2))
    kernel = np.exp(-((rows[:, None] - rows) ** 2).sum(axis=2))
    current = np.arange(9) >= 5
    x, y = np.flatnonzero(~current), np.flatnonzero(current)
    by_hand = (
        np.mean([kernel[i, j] for i in x for j in x if i != j])
        + np.mean([kernel[i, j] for i in y for j in y if i != j])
        - 2 * np.mean([kernel[i, j] for i in x for j in y])
    )
    np.fill_diagonal(kernel, 0)
    assert unbiased_mmd(kernel, current[None], 5)[0] == pytest.approx(by_hand)


def test_the_p_values_of_mmd_are_uniform_without_a_shift(rng):
    config = DriftConfig(permutations=99, mmd_rows=40)
    images = rng.integers(0, 256, (2000, 28, 28)).astype(np.uint8)
    pool = Batch(images, np.full((2000, 10), 0.1))
    p_values = [
        two_sample_test(
            "mmd", pool.rows(np.arange(s, s + 40)), pool.rows(np.arange(s + 40, s + 80)), config, s
        ).p_value
        for s in range(0, 1920, 40)
    ]
    assert 0.35 < np.mean(p_values) < 0.65


def test_an_unknown_method_and_too_few_images_are_refused(held_out):
    with pytest.raises(ConfigError, match="expected one of ks-default"):
        two_sample_test("ks", *held_out, CONFIG, 0)
    few = held_out[1].rows(np.arange(3))
    with pytest.raises(DataError, match="at least 4 images"):
        two_sample_test("ks-default", held_out[0], few, CONFIG, 0)
