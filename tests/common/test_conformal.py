from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.common.errors import DataError


def of_one_class(own, label=0):
    """Calibration of one class with these probabilities of the label; the others have none."""
    probabilities = np.zeros((len(own), 10), dtype=np.float32)
    probabilities[:, label] = own
    return sorted_by_class(probabilities, np.full(len(own), label))


def test_the_threshold_is_the_probability_that_enough_images_reach():
    calibration = of_one_class(np.arange(1, 20) / 100)
    # Of 19 images ceil(20 * 0.9) = 18 reach it, and 19 reach the smallest.
    assert calibration.thresholds(0.9)[0] == pytest.approx(0.02)
    assert calibration.thresholds(0.95)[0] == pytest.approx(0.01)
    assert calibration.out_of_reach(0.95) == tuple(range(1, 10))
    assert 0 in calibration.out_of_reach(0.951)


def test_a_rank_that_is_a_whole_number_is_not_rounded_up():
    calibration = of_one_class(np.arange(1, 100) / 100)
    # In floating point 100 * 0.07 is above 7.
    assert calibration.thresholds(0.07)[0] == pytest.approx(0.93)


def test_a_level_out_of_reach_puts_the_class_in_every_set_and_is_said():
    calibration = of_one_class(np.full(98, 0.9), label=6)
    sets = calibration.sets(np.eye(10, dtype=np.float32), 0.99)
    assert sets.all()
    message = calibration.describe_out_of_reach(0.99)
    assert message.startswith("prediction sets at level 0.99: expected at least 99 calibration")
    assert "T-shirt/top, Trouser, Pullover, Dress, Coat and 5 more" in message
    complete = sorted_by_class(np.full((100, 10), 0.1), np.repeat(np.arange(10), 10))
    assert complete.describe_out_of_reach(0.9) is None


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, float("nan")])
def test_a_level_outside_the_unit_interval_is_one_message(level):
    with pytest.raises(DataError, match=r"expected a number between 0 and 1, such as 0\.95, got"):
        of_one_class([0.5]).thresholds(level)


def test_at_the_lowest_levels_every_class_keeps_its_own_threshold():
    probabilities = np.full((40, 10), 0.05)
    labels = np.repeat(np.arange(10), 4)
    probabilities[np.arange(40), labels] = 0.1 + labels / 20
    calibration = sorted_by_class(probabilities, labels)
    np.testing.assert_allclose(calibration.thresholds(1e-9), 0.1 + np.arange(10) / 20, rtol=1e-6)


def test_a_probability_that_rounding_put_above_one_is_one():
    assert of_one_class([1 + 1e-6] * 20).probabilities.max() == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_predictor_gets_all_classes_in_any_precision(dtype):
    constant = np.full((1000, 10), 0.1, dtype=np.float32)
    calibration = sorted_by_class(constant, np.arange(1000) % 10)
    assert calibration.sets(constant.astype(dtype), 0.5).all()
    assert calibration.sets(np.full((5, 10), 0.1, dtype=dtype), 0.5).all()
