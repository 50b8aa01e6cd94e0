from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fmnist_lib.evaluation.contributions import (
    agreement,
    block_contributions,
    member_contributions,
    permuted_answers,
    refit_contributions,
    shapley_contributions,
)


@pytest.fixture(scope="module")
def learned():
    """A learner on one block that decides the label, and one of noise."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 1500)
    signal = labels[:, None] + random.normal(0, 0.2, (1500, 2))
    columns = np.hstack([random.normal(size=(1500, 3)), signal])
    learner = LogisticRegression().fit(columns[:500], labels[:500])
    return learner, columns[500:], labels[500:]


def measured(learned, seed, confidence=0.99):
    learner, columns, labels = learned
    widths = {"noise": 3, "signal": 2}
    answers = permuted_answers(learner, columns, widths, labels, seed=seed)
    return block_contributions(answers, list(widths), confidence)


def test_a_block_that_decides_loses_most_of_the_accuracy(learned):
    noise, signal = measured(learned, 1)
    assert (noise.name, signal.name) == ("noise", "signal")
    assert signal.loss.low > 0.4
    assert abs(noise.loss.value) < 0.02


def test_the_interval_of_noise_covers_zero_and_that_of_a_signal_never_does(learned):
    tries = [measured(learned, seed) for seed in range(40)]
    covered = [noise.loss.low <= 0 <= noise.loss.high for noise, _ in tries]
    assert np.mean(covered) >= 0.95
    assert all(signal.loss.low > 0 for _, signal in tries)


def test_the_columns_are_left_alone(learned):
    before = learned[1].copy()
    measured(learned, 1)
    np.testing.assert_array_equal(learned[1], before)


def test_shapley_values_are_those_of_the_library_shap(learned):
    from shap.explainers import Exact

    learner, columns, labels = learned
    widths = {"noise": 3, "half": 1, "other half": 1}
    names = list(widths)
    answers = permuted_answers(learner, columns, widths, labels, seed=1)

    def accuracy(masks):
        kept = [frozenset(np.array(names)[mask.astype(bool)]) for mask in masks]
        return np.array([answers(one).mean() for one in kept])

    expected = Exact(accuracy, np.zeros((1, 3)))(np.ones((1, 3))).values[0]
    found = [part.loss.value for part in shapley_contributions(answers, names)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    everything, nothing = answers(frozenset(names)), answers(frozenset())
    assert sum(found) == pytest.approx(everything.mean() - nothing.mean())


def test_two_blocks_that_know_the_same_share_its_shapley_value():
    """Each alone is enough, so that a permutation of one of them loses nothing."""
    labels = np.arange(600) % 2

    class Either:
        def predict(self, columns):
            return (columns.max(axis=1) > 0.5).astype(int)

    columns = np.repeat(labels[:, None], 2, axis=1).astype(float)
    answers = permuted_answers(Either(), columns, {"a": 1, "b": 1}, labels, seed=0)
    a, b = shapley_contributions(answers, ["a", "b"])
    assert a.loss.value == pytest.approx(b.loss.value, abs=0.05)
    assert a.loss.low > 0.1


def test_a_member_that_is_always_right_carries_the_vote():
    labels = np.arange(200) % 2
    right = np.eye(2)[labels]
    wrong = 1 - right
    found = member_contributions(
        {"right": 0.6, "wrong": 0.4}, {"right": right, "wrong": wrong}, labels
    )
    assert [part.name for part in found] == ["right", "wrong"]
    assert found[0].loss.value == 1.0
    assert found[1].loss.value == 0.0


def test_agreement_is_symmetric():
    classes = {
        "a": np.array([0, 1, 2, 3]),
        "b": np.array([0, 1, 2, 0]),
        "c": np.array([9, 9, 9, 9]),
    }
    shares = agreement(classes)
    assert shares.loc["a", "b"] == shares.loc["b", "a"] == 0.75
    assert shares.loc["a", "c"] == 0.0
    assert (np.diag(shares) == 1).all()


def refits(seed, useful):
    """Contributions of two blocks; only those named are related to the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, 1200)
    columns = {
        name: random.normal(size=(1200, 4)) + (labels[:, None] if name in useful else 0)
        for name in ("first", "second")
    }

    def correct(names):
        X = np.hstack([columns[name] for name in names])
        learner = LogisticRegression().fit(X[:600], labels[:600])
        return learner.predict(X[600:]) == labels[600:]

    accuracy, found = refit_contributions(correct, ("first", "second"), 0.99)
    return accuracy, {one.name: one for one in found}


def test_a_block_of_noise_is_not_needed_in_at_least_95_percent_of_40_tries():
    found = [refits(seed, {"first"})[1]["second"] for seed in range(40)]
    assert sum(one.loss.low <= 0 for one in found) >= 38
    assert sum(one.p_value < 0.01 for one in found) <= 2


def test_a_block_that_alone_decides_is_always_needed():
    for seed in range(20):
        accuracy, found = refits(seed, {"first"})
        assert found["first"].loss.low > 0
        assert found["first"].p_value < 0.001
        assert found["first"].accuracy == pytest.approx(accuracy - found["first"].loss.value)
