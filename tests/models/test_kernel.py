from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.linalg import solve
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.utils.estimator_checks import parametrize_with_checks

from fmnist_lib.common.calibration import fit_matrix_scaling
from fmnist_lib.models import solve as solving
from fmnist_lib.models.gaussian import Points, gaussian
from fmnist_lib.models.kernel import KernelClassifier
from fmnist_lib.models.stored_kernel import LandmarkKernel, SymmetricKernel


@parametrize_with_checks(
    [KernelClassifier(random_state=0), KernelClassifier(hardest_share=0.5, random_state=0)]
)
def test_it_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(
        5000, 20, n_informative=12, n_classes=4, class_sep=1.5, random_state=0
    )
    return X.astype(np.float32), y


def points(n, n_columns=6, n_flipped=2, seed=0):
    X = np.random.default_rng(seed).normal(scale=0.5, size=(n, n_columns)).astype(np.float32)
    antisymmetric = np.arange(n_columns) >= n_columns - n_flipped
    return Points.from_rows(X, antisymmetric), X, antisymmetric


def test_the_kernel_is_the_mean_over_an_image_and_its_mirror_image():
    ours, X, antisymmetric = points(40)
    mirrored = np.where(antisymmetric, -X, X)
    plain, other = (np.exp(-np.square(X[:, None] - Z[None]).sum(axis=2) / 2) for Z in (X, mirrored))
    np.testing.assert_allclose(gaussian(ours, ours), (plain + other) / 2, atol=1e-6)
    flipped = Points.from_rows(mirrored, antisymmetric)
    np.testing.assert_allclose(gaussian(flipped, ours), gaussian(ours, ours), atol=1e-6)


@pytest.mark.parametrize("n", [5, 2048, 2500])
def test_stored_kernels_multiply_as_the_kernel_does(n):
    ours, _, _ = points(n)
    kernel = gaussian(ours, ours)
    v = np.random.default_rng(1).normal(size=(n, 3)).astype(np.float32)
    np.testing.assert_allclose(SymmetricKernel(ours) @ v, kernel @ v, atol=1e-2)
    few = LandmarkKernel(ours, ours[:100])
    np.testing.assert_allclose(few.transposed_product(v), kernel[:, :100].T @ v, atol=1e-2)
    np.testing.assert_allclose(
        few.normal_product(v[:100]), kernel[:, :100].T @ (kernel[:, :100] @ v[:100]), rtol=1e-3
    )


def test_iterations_converge_to_the_direct_solution(monkeypatch):
    monkeypatch.setattr(solving, "DIRECT_ROWS", 0)
    ours, _, _ = points(3000)
    targets = np.random.default_rng(2).normal(size=(3000, 2)).astype(np.float32)
    expected = solve(gaussian(ours, ours) + 0.1 * np.eye(3000), targets, assume_a="pos")
    found = solving.solve_all(ours, targets, 0.1, 30)
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_all_rows_as_landmarks_predict_as_the_whole_kernel_does(rows):
    X, y = rows
    to_the_end = {"random_state": 0, "tolerance": 0.0, "iterations": 40}
    whole = KernelClassifier(**to_the_end).fit(X[:1500], y[:1500])
    nearly = KernelClassifier(landmarks=1499, **to_the_end)
    scores = nearly.fit(X[:1500], y[:1500]).decision_function(X[1500:2500])
    assert np.abs(scores - whole.decision_function(X[1500:2500])).max() < 0.05


def test_more_landmarks_are_better_and_all_rows_are_best(rows):
    X, y = rows
    scores = [
        KernelClassifier(landmarks=m, random_state=0)
        .fit(X[:4000], y[:4000])
        .score(X[4000:], y[4000:])
        for m in (20, 200, None)
    ]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1] - 0.05


@pytest.mark.parametrize("parameters", [{}, {"landmarks": 300}, {"hardest_share": 0.6}])
def test_the_number_of_threads_changes_no_bit(rows, parameters, monkeypatch):
    X, y = rows
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("FMNIST_THREADS", threads)
        learner = KernelClassifier(random_state=0, **parameters).fit(X, y)
        found.append(learner.predict_proba(X[:600]))
    np.testing.assert_array_equal(*found)


def test_a_kernel_above_the_memory_bound_uses_landmarks_and_reports_it(rows):
    X, y = rows
    learner = KernelClassifier(memory_gib=0.01, random_state=0).fit(X, y)
    assert len(learner.rows_) < len(X)
    assert "memory bound 0.01 GiB" in learner.description_
    assert learner.score(X, y) > 0.8


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_scaling_calibrates_probabilities_also_of_a_new_fit(rows, share):
    X, y = rows
    learner = KernelClassifier(hardest_share=share, random_state=0).fit(X[:2000], y[:2000])
    before = learner.decision_function(X[2000:])
    scaling = fit_matrix_scaling(learner.decision_function(X[2000:3000]), y[2000:3000])
    learner.rescale(scaling)
    after = learner.decision_function(X[2000:])
    np.testing.assert_allclose(after, before @ scaling[:-1] + scaling[-1], rtol=1e-2, atol=2e-3)
    np.testing.assert_allclose(learner.predict_proba(X[2000:]), softmax(after, axis=1), rtol=1e-5)
    confidence = learner.predict_proba(X[3000:]).max(axis=1)
    assert abs(confidence.mean() - learner.score(X[3000:], y[3000:])) < 0.05
    unscaled = learner.unscaled()
    np.testing.assert_allclose(unscaled.decision_function(X[2000:]), before, rtol=1e-2, atol=2e-3)
    assert unscaled.scaling is None
    np.testing.assert_array_equal(learner.decision_function(X[2000:]), after)
    again = clone(learner).set_params(scaling=scaling).fit(X[:2000], y[:2000])
    np.testing.assert_array_equal(again.decision_function(X[2000:]), after)


def test_a_pickle_holds_no_second_copy_of_the_rows(rows):
    X, y = rows
    learner = KernelClassifier(random_state=0).fit(X, y)
    before = learner.predict_proba(X[:100])
    pickled = pickle.dumps(learner)
    assert len(pickled) < 2.5 * learner.rows_.nbytes
    np.testing.assert_array_equal(pickle.loads(pickled).predict_proba(X[:100]), before)


def test_parity_of_another_number_of_columns_is_one_message(rows):
    X, y = rows
    with pytest.raises(ValueError, match="expected one value for each of 20 columns, got shape"):
        KernelClassifier(antisymmetric=[True, False]).fit(X, y)


def test_the_hardest_rows_are_those_at_the_boundary_and_some_of_every_class():
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 500)
    # Two adjacent classes with their boundary at 0, and one far from both.
    X = random.normal(scale=(0.5, 0.1), size=(1500, 2)) + np.array([[-1, 0], [1, 0], [0, 9]])[y]
    learner = KernelClassifier(hardest_share=0.3, random_state=0).fit(X, y)
    assert learner.description_ == f"the {len(learner.rows_)} hardest of 1,500 rows"
    kept = learner.rows_ * learner.steps_ / learner.scale_ + learner.center_
    far = kept[:, 1] > 5
    assert np.count_nonzero(far) == 10
    assert 450 <= len(kept) <= 460
    assert np.median(np.abs(kept[~far, 0])) < 0.7 * np.median(np.abs(X[y < 2, 0]))
    assert learner.score(X, y) > 0.95


def test_rows_with_wrong_labels_are_not_the_hardest(rows):
    X, y = rows
    random = np.random.default_rng(0)
    noisy = y[:4000].copy()
    wrong = random.choice(4000, 200, replace=False)
    noisy[wrong] = (noisy[wrong] + random.integers(1, 4, 200)) % 4

    def score(labels, min_margin):
        learner = KernelClassifier(
            hardest_share=0.5, ridge=0.002, min_margin=min_margin, random_state=0
        )
        return learner.fit(X[:4000], labels).score(X[4000:], y[4000:])

    assert score(noisy, -0.8) > score(noisy, -np.inf) + 0.005
    assert score(y[:4000], -0.8) > score(y[:4000], -np.inf) - 0.005


def test_a_class_that_a_few_landmarks_do_not_know_is_kept():
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [4000, 4000, 12])
    X = random.normal(size=(8012, 2)) * 0.3 + np.array([[-1, 0], [1, 0], [-1, 0]])[y]
    learner = KernelClassifier(hardest_share=0.3, random_state=0).fit(X, y)
    kept = learner.coefficients_[:, 2] > 0.5 * learner.coefficients_[:, 2].max()
    assert np.count_nonzero(kept) >= 5


def test_half_of_the_rows_are_enough_if_they_are_the_hardest(rows):
    X, y = rows

    def score(**parameters):
        learner = KernelClassifier(random_state=0, **parameters).fit(X[:4000], y[:4000])
        return learner.score(X[4000:], y[4000:]), len(learner.rows_)

    (whole, _), (half, n_kept) = score(), score(hardest_share=0.5)
    assert n_kept == 2000
    assert half > whole - 0.01
    few_landmarks, n_kept = score(hardest_share=0.5, landmarks=300)
    assert n_kept == 300
    assert few_landmarks > 0.8


@pytest.mark.parametrize("share", [0, 1.5, -0.1])
def test_a_share_out_of_range_is_one_message(rows, share):
    X, y = rows
    with pytest.raises(ValueError, match=f"expected a number above 0 and at most 1, got {share}"):
        KernelClassifier(hardest_share=share).fit(X, y)
