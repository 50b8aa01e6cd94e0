import numpy as np
import pytest

from fmnist_lib.common.calibration import (
    expected_calibration_error,
    fit_temperature,
    isotonic_accuracy,
)


def test_the_error_is_the_gap_by_hand():
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False])
    assert expected_calibration_error(confidence, right) == pytest.approx((2 * 0.05 + 2 * 0.05) / 4)


def test_the_temperature_of_scaled_scores_is_their_scale():
    random = np.random.default_rng(0)
    scores = random.normal(size=(20_000, 3))
    labels = np.array(
        [random.choice(3, p=row) for row in np.exp(scores) / np.exp(scores).sum(1, keepdims=True)]
    )
    assert fit_temperature(5 * scores, labels) == pytest.approx(5, rel=0.1)


def test_isotonic_accuracy_is_that_of_the_groups_and_never_certain():
    random = np.random.default_rng(0)
    highest = random.uniform(0.5, 1, 5000)
    correct = random.random(5000) < highest**2
    probabilities, accuracies = isotonic_accuracy(highest, correct)
    assert len(probabilities) == 20
    assert accuracies == pytest.approx(probabilities**2, abs=0.08)
    assert (np.diff(accuracies) >= 0).all()
    _, certain = isotonic_accuracy(highest, np.ones(5000, dtype=bool))
    assert certain.max() < 1
