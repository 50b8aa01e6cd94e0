from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.model_selection import StratifiedShuffleSplit

from fmnist_lib.common.out_of_fold import OutOfFold
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.workflows.accuracy_checks import check_accuracy

SETTINGS = read_settings(DEFAULT_CONFIG)


def answers(n, accuracy, seed):
    random = np.random.default_rng(seed)
    labels = (np.arange(n) % 10).astype(np.uint8)
    right = random.random(n) < accuracy
    predicted = np.where(right, labels, (labels + 1) % 10)
    probabilities = random.dirichlet(np.ones(10), n) * 0.4
    probabilities[np.arange(n), predicted] += 0.6
    return labels, probabilities


def fold(labels, probabilities, n_available=None):
    n = len(labels)
    return OutOfFold(
        probabilities=probabilities,
        labels=labels,
        numbers=np.arange(n),
        fold=np.zeros(n, np.uint8),
        n_folds=5,
        n_available=n_available or n,
        seconds=1.0,
    )


@pytest.fixture(scope="module")
def test():
    return answers(2000, 0.9, 0)


def checks(test, leaked=(), out_of_fold=None):
    audit = SimpleNamespace(leaked=leaked)
    return {one.name: one for one in check_accuracy(*test, audit, out_of_fold, SETTINGS)}


def test_images_that_the_winner_may_remember_are_left_out(test):
    labels, probabilities = test
    correct = probabilities.argmax(axis=1) == labels
    remembered = np.flatnonzero(correct)[:300]
    found = checks(test, tuple(remembered))["without near-duplicates"]
    assert found.n_images == 1700
    assert found.n_left_out == 300
    assert found.accuracy.value == pytest.approx((correct.sum() - 300) / 1700)
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high


def test_contested_labels_are_those_the_audit_would_doubt(test):
    labels, probabilities = test
    found = checks(test)["without contested labels"]
    correct = (probabilities.argmax(axis=1) == labels).mean()
    assert found.n_left_out > 50
    assert found.accuracy.value > correct


def test_other_test_sets_hold_images_answered_out_of_fold(test):
    others = fold(*answers(12_000, 0.95, 1))
    name = "on other test sets"
    found = checks(test, out_of_fold=others)[name]
    assert found.n_images == 2000
    assert found.accuracy.value == pytest.approx((0.9 * 2000 + 0.95 * 12_000) / 14_000, abs=0.005)
    assert 0.002 < found.accuracy.high - found.accuracy.low < 0.04
    drawn = StratifiedShuffleSplit(2000, test_size=2000, random_state=0)
    labels = np.concatenate([test[0], others.labels])
    correct = np.concatenate([test[1].argmax(axis=1) == test[0], others.correct])
    values = np.array([correct[rows].mean() for _, rows in drawn.split(labels, labels)])
    inside = (found.accuracy.low <= values) & (values <= found.accuracy.high)
    assert 0.935 < inside.mean() < 0.965
    # Not from a sample, whose fits saw far fewer images.
    assert name not in checks(test, out_of_fold=fold(*answers(12_000, 0.95, 1), 60_000))


def test_nothing_is_said_of_no_images(test):
    found = checks(test, tuple(range(2000)))
    assert "without near-duplicates" not in found
