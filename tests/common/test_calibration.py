import numpy as np
import pytest
from scipy.special import softmax

from fmnist_lib.common.calibration import (
    expected_calibration_error,
    fit_matrix_scaling,
    fit_temperature,
    isotonic_accuracy,
    scaled_out_of_fold,
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


def test_matrix_scaling_learns_which_classes_are_confused():
    random, confusion = np.random.default_rng(0), np.array([[1, 0.4, 0], [0.4, 1, 0], [0, 0, 1]])
    logits = 3 * random.normal(size=(20_000, 3))
    labels = drawn(random, logits)
    scores = logits @ np.linalg.inv(confusion) / 5
    matrix = fit_matrix_scaling(scores, labels)
    expected, found = softmax(logits, axis=1), softmax(scores @ matrix[:-1] + matrix[-1], axis=1)
    assert np.abs(found - expected).mean() < 0.01
    scaled = softmax(scores / fit_temperature(scores, labels), axis=1)
    assert np.abs(scaled - expected).mean() > 3 * np.abs(found - expected).mean()


def test_matrix_scaling_of_few_rows_is_close_to_a_temperature():
    random = np.random.default_rng(0)
    scores = random.normal(size=(50, 10))
    labels = random.integers(0, 10, 50)
    labels[:30] = scores[:30].argmax(axis=1)
    matrix = fit_matrix_scaling(scores, labels)
    expected = np.eye(11, 10)
    expected[:-1] /= fit_temperature(scores, labels)
    assert np.abs(matrix - expected).max() < 0.5


def test_a_class_without_rows_is_improbable_not_impossible():
    random = np.random.default_rng(0)
    scores = random.normal(size=(300, 4))
    matrix = fit_matrix_scaling(scores, scores[:, :3].argmax(axis=1))
    probabilities = softmax(scores @ matrix[:-1] + matrix[-1], axis=1)
    assert np.isfinite(matrix).all()
    assert 0 < probabilities[:, 3].mean() < 0.2


def test_rows_are_scaled_by_other_rows():
    random = np.random.default_rng(0)
    scores = random.normal(size=(200, 3))
    labels = drawn(random, scores)
    changed = np.where(np.arange(200) == 7, (labels + 1) % 3, labels)
    before, after = scaled_out_of_fold(scores, labels), scaled_out_of_fold(scores, changed)
    same_fold = np.arange(200) % 5 == 7 % 5
    np.testing.assert_array_equal(before[same_fold], after[same_fold])
    assert not np.array_equal(before[~same_fold], after[~same_fold])


def drawn(random, logits):
    """Draw a label per row from the softmax of its logits."""
    return np.array([random.choice(len(row), p=row) for row in softmax(logits, axis=1)])


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
