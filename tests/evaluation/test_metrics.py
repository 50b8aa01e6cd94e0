from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.statistics import mcnemar, wilson
from fmnist_lib.config.training import EvaluationConfig
from fmnist_lib.evaluation.metrics import evaluate, log_loss


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, size=2000).astype(np.uint8)
    scores = rng.normal(size=(2000, 10)) + 2.5 * np.eye(10)[labels]
    scores[:, 6] += 0.8
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return labels, probabilities


def test_the_numbers_agree_with_scikit_learn(predictions):
    labels, probabilities = predictions
    predicted = probabilities.argmax(axis=1)
    evaluation = evaluate(labels, probabilities, EvaluationConfig(), seed=0)
    assert evaluation.accuracy.value == pytest.approx(reference.accuracy_score(labels, predicted))
    f1 = reference.f1_score(labels, predicted, average="macro")
    assert evaluation.macro_f1.value == pytest.approx(f1)
    assert evaluation.log_loss == pytest.approx(reference.log_loss(labels, probabilities))
    np.testing.assert_array_equal(
        evaluation.confusion, reference.confusion_matrix(labels, predicted)
    )
    report = reference.classification_report(labels, predicted, output_dict=True)
    np.testing.assert_allclose(
        evaluation.per_class["precision"], [report[str(i)]["precision"] for i in range(10)]
    )
    np.testing.assert_allclose(
        evaluation.per_class["recall"], [report[str(i)]["recall"] for i in range(10)]
    )


def test_every_interval_holds_its_value(predictions):
    evaluation = evaluate(*predictions, EvaluationConfig(), seed=0)
    for estimate in (evaluation.accuracy, evaluation.macro_f1):
        assert estimate.low < estimate.value < estimate.high
    table = evaluation.per_class
    assert (table["recall_low"] <= table["recall"]).all()
    assert (table["recall"] <= table["recall_high"]).all()


def test_the_bootstrap_interval_is_as_wide_as_resampling_images_makes_it(predictions):
    labels, probabilities = predictions
    predicted = probabilities.argmax(axis=1)
    rng = np.random.default_rng(1)
    scores = []
    for _ in range(300):
        rows = rng.integers(0, len(labels), len(labels))
        scores.append(reference.f1_score(labels[rows], predicted[rows], average="macro"))
    low, high = np.quantile(scores, [0.025, 0.975])
    estimate = evaluate(labels, probabilities, EvaluationConfig(), seed=0).macro_f1
    assert estimate.high - estimate.low == pytest.approx(high - low, rel=0.2)


def test_the_confused_pairs_are_the_largest_mistakes(predictions):
    labels, probabilities = predictions
    evaluation = evaluate(labels, probabilities, EvaluationConfig(confused_pairs=3), seed=0)
    mistakes = evaluation.confusion - np.diag(np.diag(evaluation.confusion))
    assert [pair.count for pair in evaluation.confused_pairs] == sorted(mistakes.ravel())[:-4:-1]
    for pair in evaluation.confused_pairs:
        assert (labels[pair.examples] == pair.actual).all()
        assert (probabilities[pair.examples].argmax(axis=1) == pair.predicted).all()
        assert (np.diff(probabilities[pair.examples, pair.predicted]) <= 0).all()


def test_perfect_predictions_have_no_confused_pairs():
    labels = np.arange(10, dtype=np.uint8).repeat(5)
    evaluation = evaluate(labels, np.eye(10)[labels], EvaluationConfig(), seed=0)
    assert evaluation.accuracy.value == 1
    assert evaluation.confused_pairs == ()


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    labels = np.array([0] * 80 + [1] * 20, dtype=np.uint8)
    sure = np.tile([0.8] + [0.2] + [0.0] * 8, (100, 1))
    overconfident = np.tile([0.95] + [0.05] + [0.0] * 8, (100, 1))
    errors = [
        evaluate(labels, probabilities, EvaluationConfig(), seed=0).calibration_error
        for probabilities in (sure, overconfident)
    ]
    assert errors == pytest.approx([0, 0.15], abs=1e-12)


@pytest.mark.parametrize("bad", [np.zeros((3, 9)), np.zeros((2, 10)), np.full((3, 10), np.nan)])
def test_unusable_probabilities_are_refused(bad):
    with pytest.raises(DataError, match="probabilities: expected"):
        evaluate(np.zeros(3, np.uint8), bad, EvaluationConfig(), seed=0)


def test_wilson_agrees_with_the_formula():
    estimate = wilson(90, 100)
    z, n, p = 1.959963984540054, 100, 0.9
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert (estimate.low, estimate.high) == pytest.approx((centre - half, centre + half))


def test_mcnemar_counts_only_the_images_the_models_disagree_on():
    first = np.array([True] * 60 + [True] * 15 + [False] * 5 + [False] * 20)
    second = np.array([True] * 60 + [False] * 15 + [True] * 5 + [False] * 20)
    comparison = mcnemar(first, second)
    assert (comparison.only_first, comparison.only_second) == (15, 5)
    assert comparison.difference == pytest.approx(0.10)
    assert comparison.p_value == pytest.approx(0.0414, abs=1e-4)
    assert mcnemar(first, first).p_value == 1
    with pytest.raises(DataError):
        mcnemar(first, second[:5])


def test_macro_f1_is_that_of_the_classes_that_occur():
    labels = np.array([3, 8] * 50, dtype=np.uint8)
    evaluation = evaluate(labels, np.eye(10)[labels], EvaluationConfig(), seed=0)
    assert evaluation.macro_f1.value == evaluation.macro_f1.low == 1


def test_the_log_loss_does_not_depend_on_the_precision_of_a_probability_of_zero():
    probabilities = np.full((2, 10), 0.1)
    probabilities[0, 3] = 0
    labels = np.array([3, 4])
    single, double = (log_loss(labels, probabilities.astype(kind)) for kind in ("f4", "f8"))
    assert single == pytest.approx(double)
    assert double > 40
