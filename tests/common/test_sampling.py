from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.sampling import stratified_rows


def test_a_sample_keeps_every_class_share(rng):
    labels = rng.permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    rows = stratified_rows(labels, 100, rng)
    assert len(set(rows)) == 100
    np.testing.assert_allclose(np.bincount(labels[rows]), [60, 30, 10], atol=1)


def test_asking_for_more_gives_every_row(rng):
    assert stratified_rows(np.zeros(7, int), 50, rng).tolist() == list(range(7))


def test_samples_follow_the_seed(train_labels):
    first, again, other = (
        stratified_rows(train_labels, 200, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("n", [5989, 5995, 5999, 6000])
def test_nearly_all_rows_can_be_asked_for(n, rng):
    assert len(stratified_rows(np.arange(6000) % 10, n, rng)) == n


@pytest.fixture
def rng():
    return np.random.default_rng(5)
