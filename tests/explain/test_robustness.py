import numpy as np
import pytest

from fmnist_lib.explain.robustness import robustness


@pytest.fixture
def images(test_images):
    return test_images[:4]


def test_maps_that_never_change_are_robust(images):
    maps = np.random.default_rng(0).normal(size=images.shape)
    found = robustness(maps, maps, lambda _: maps, images, seed=0)
    assert found.seeds.mean == pytest.approx(1)
    assert found.max_sensitivity == 0


def test_the_images_change_by_one_grey_level(images):
    seen = []

    def record(moved):
        seen.append(moved)
        return moved.astype(float)

    robustness(images.astype(float), images.astype(float), record, images, seed=0)
    change = np.abs(seen[0].astype(int) - images)
    assert seen[0].dtype == np.uint8
    assert change.max() == 1
    assert (change[(images > 0) & (images < 255)] == 1).all()


def test_the_largest_relative_change_counts(images):
    maps = np.ones(images.shape)
    moved = maps * np.array([1, 1.1, 3, 1])[:, None, None]
    assert robustness(maps, maps, lambda _: moved, images, seed=0).max_sensitivity == 2


def test_maps_of_zeros_have_no_scores(images):
    zeros = np.zeros(images.shape)
    found = robustness(zeros, zeros, lambda _: zeros, images, seed=0)
    assert found.max_sensitivity is None
    assert found.seeds.mean is None
    assert found.noise.n_pairs == 0
