"""Numerical robustness of the kernel classifier."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from threadpoolctl import threadpool_limits

from fmnist_lib.models.kernel import KernelClassifier


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(
        5000, 20, n_informative=12, n_classes=4, class_sep=1.5, random_state=0
    )
    return X.astype(np.float32), y


def test_an_offset_of_all_rows_changes_no_prediction(rows):
    X, y = rows
    near, far = (
        KernelClassifier(random_state=0).fit(Z[:3000], y[:3000]).predict(Z[3000:])
        for Z in (X, X + np.float32(1000))
    )
    assert (near == far).mean() > 0.995


def test_a_row_far_from_all_others_gets_the_class_priors(rows):
    X, y = rows
    learner = KernelClassifier(random_state=0).fit(X, y)
    scores = learner.decision_function(1e7 * X[:3])
    np.testing.assert_allclose(scores, np.tile(np.bincount(y) / len(y), (3, 1)), atol=1e-6)


@pytest.mark.parametrize("landmarks", [None, 300])
def test_the_number_of_blas_threads_changes_no_bit(rows, landmarks):
    X, y = rows
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            learner = KernelClassifier(landmarks=landmarks, random_state=0).fit(X, y)
            found.append(learner.predict_proba(X[:600]))
    np.testing.assert_array_equal(*found)


def test_a_smaller_tolerance_takes_more_steps_to_a_closer_solution(rows):
    X, y = rows
    exact, close, coarse = (
        KernelClassifier(tolerance=tolerance, iterations=100, random_state=0)
        .fit(X[:4000], y[:4000])
        .decision_function(X[4000:])
        for tolerance in (1e-5, 1e-2, 0.5)
    )
    assert np.abs(close - exact).max() < np.abs(coarse - exact).max() / 10
