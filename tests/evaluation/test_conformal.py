from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.out_of_fold import OutOfFold
from fmnist_lib.evaluation.conformal import calibrate, evaluate_sets


def out_of_fold(probabilities, labels):
    n = len(labels)
    return OutOfFold(
        probabilities=probabilities.astype(np.float32),
        labels=labels.astype(np.uint8),
        numbers=np.arange(n),
        fold=(np.arange(n) % 5).astype(np.uint8),
        n_folds=5,
        n_available=n,
        seconds=1.0,
    )


def draw(n, rng, shares=None):
    """Labels, and probabilities of a classifier that is worse for some classes than for others."""
    labels = rng.choice(10, n, p=shares)
    scores = rng.normal(size=(n, 10))
    scores[np.arange(n), labels] += 1 + labels / 3
    return softmax(1.5 * scores, axis=1), labels


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def result(rng):
    return evaluate_sets(calibrate(out_of_fold(*draw(20_000, rng))), *draw(10_000, rng))


def test_every_class_is_covered_as_asked_for(result):
    assert [one.level for one in result.levels] == [0.9, 0.95, 0.99]
    for one in result.levels:
        n_inside = 0
        for group in one.classes:
            # Both samples are random: twice the variance of the test images alone.
            low, high = binom.interval(0.995, group.n_images // 2, one.level)
            n_inside += low <= group.coverage.value * (group.n_images // 2) <= high
        assert n_inside >= 9
        assert one.coverage.low <= one.level + 0.005
        assert one.coverage.high >= one.level - 0.005


def test_sizes_singles_and_coverage_belong_together(result):
    before = 0
    for one in result.levels:
        assert sum(one.sizes) == result.n_images == 10_000
        mean = sum(size * count for size, count in enumerate(one.sizes)) / result.n_images
        assert one.mean_size == pytest.approx(mean)
        assert one.single.value == one.sizes[1] / result.n_images
        assert one.single_accuracy.value > one.coverage.value * 0.9
        covered = sum(group.coverage.value * group.n_images for group in one.classes)
        assert one.coverage.value == pytest.approx(covered / result.n_images)
        assert one.mean_size > before
        before = one.mean_size


def test_abstention_ends_with_the_accuracy_of_all(rng):
    probabilities, labels = draw(5000, rng)
    calibration = calibrate(out_of_fold(probabilities, labels))
    curve = evaluate_sets(calibration, probabilities, labels).abstention
    assert [one.share for one in curve] == [n / 20 for n in range(10, 21)]
    assert curve[-1].accuracy.value == np.mean(probabilities.argmax(axis=1) == labels)
    assert curve[0].accuracy.low > curve[-1].accuracy.high
    half = np.argsort(-probabilities.max(axis=1))[:2500]
    expected = np.mean(probabilities[half].argmax(axis=1) == labels[half])
    assert curve[0].accuracy.value == pytest.approx(expected)
    assert curve[0].lowest == probabilities[half].max(axis=1).min()


def test_the_result_can_be_an_artifact_and_a_row_of_metrics(result):
    assert pickle.loads(pickle.dumps(result)) == result
    values = result.as_metrics()
    assert set(values) >= {"sets_90_coverage", "sets_95_mean_size", "sets_99_single"}
    assert values["sets_95_coverage"] == result.levels[1].coverage.value


def test_a_constant_predictor_gets_all_classes(rng):
    labels = rng.integers(0, 10, 2000)
    constant = np.full((2000, 10), 0.1)
    result = evaluate_sets(calibrate(out_of_fold(constant, labels)), constant, labels)
    for one in result.levels:
        assert one.coverage.value == 1
        assert one.mean_size == 10
        assert one.single_accuracy is None


def test_one_image_per_class_gives_all_classes_and_says_so(rng):
    probabilities = softmax(rng.normal(size=(10, 10)), axis=1)
    calibration = calibrate(out_of_fold(probabilities, np.arange(10)))
    result = evaluate_sets(calibration, *draw(100, rng))
    for one in result.levels:
        assert one.mean_size == 10
        assert len(one.out_of_reach) == 10


def test_a_rare_class_is_in_every_set_and_the_others_are_not(rng):
    shares = np.array([0.0005, *[0.9995 / 9] * 9])
    calibration = calibrate(out_of_fold(*draw(9000, rng, shares)))
    (one,) = evaluate_sets(calibration, *draw(2000, rng), levels=[0.95]).levels
    assert one.out_of_reach == ("T-shirt/top",)
    rare, *others = one.classes
    assert rare.n_calibration < 19
    assert (rare.threshold, rare.coverage.value) == (0, 1)
    assert all(other.threshold > 0 for other in others)


def test_a_class_without_images_has_no_coverage(rng):
    probabilities, labels = draw(1000, rng)
    kept = labels != 4
    calibration = calibrate(out_of_fold(probabilities[kept], labels[kept]))
    (one,) = evaluate_sets(calibration, probabilities[kept], labels[kept], levels=[0.9]).levels
    assert one.out_of_reach == ("Coat",)
    assert one.classes[4].coverage is None
    assert one.classes[4].mean_size is None


def test_a_single_test_image_is_enough(rng):
    probabilities, labels = draw(2000, rng)
    calibration = calibrate(out_of_fold(probabilities, labels))
    result = evaluate_sets(calibration, probabilities[:1], labels[:1])
    assert [one.n_images for one in result.abstention] == [1]


def test_other_shapes_and_nan_are_one_message(rng):
    probabilities, labels = draw(50, rng)
    with pytest.raises(DataError, match="expected 10 probabilities for each"):
        calibrate(out_of_fold(probabilities[:, :9], labels))
    calibration = calibrate(out_of_fold(probabilities, labels))
    with pytest.raises(DataError, match="at least one"):
        evaluate_sets(calibration, probabilities[:0], labels[:0])
    probabilities[3, 3] = np.nan
    with pytest.raises(DataError, match="expected finite"):
        evaluate_sets(calibration, probabilities, labels)
