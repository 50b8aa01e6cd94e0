import numpy as np
import pytest

from fmnist_lib.explain.similarity import gini_index, rank_correlation


def test_correlation_is_of_ranks_and_means_over_images():
    first = np.random.default_rng(0).normal(size=(2, 28, 28))
    found = rank_correlation(first, np.stack([np.exp(first[0]), -first[1]]))
    assert found.mean == pytest.approx(0)
    assert found.lowest == pytest.approx(-1)
    assert found.n_pairs == 2


def test_a_constant_map_is_left_out():
    maps = np.random.default_rng(0).normal(size=(2, 28, 28))
    constant = maps.copy()
    constant[0] = 3
    assert rank_correlation(maps, constant).n_pairs == 1


def test_gini_index_of_one_pixel_of_noise_and_of_nothing():
    one = np.zeros((1, 28, 28))
    one[0, 3, 3] = -2
    noise = np.random.default_rng(0).normal(size=(50, 28, 28))
    assert gini_index(one) == pytest.approx(1 - 1 / 784)
    assert gini_index(noise) == pytest.approx(0.414, abs=0.01)
    assert gini_index(np.concatenate([one, np.zeros((1, 28, 28))])) == gini_index(one)
    assert gini_index(np.zeros((1, 28, 28))) is None
