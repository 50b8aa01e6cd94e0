"""Parts of the benchmarks of attributions that a wrong figure would come from."""

from __future__ import annotations

import attributions
import numpy as np
import planted_patch
import pytest


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)


def test_only_the_patch_of_the_label_is_planted(images):
    rng = np.random.default_rng(1)
    places = planted_patch.draw_places(rng)
    planted, labels, masks = planted_patch.plant(images, places, rng)
    assert (planted[~masks] == images[~masks]).all()
    assert (masks.sum(axis=(1, 2)) == 16).all()
    assert (planted[masks] == 255).all()
    for label in np.unique(labels):
        assert len(np.unique(masks[labels == label], axis=0)) == 1


def test_places_differ_and_so_do_their_mirror_images():
    places = planted_patch.draw_places(np.random.default_rng(1))
    cells = {(top + i, left + j) for top, left in places for i in range(4) for j in range(4)}
    assert len(cells) == 160
    assert max(column for _, column in cells) < 14


def test_occlusion_finds_the_only_pixel_that_matters(images):
    def predict(batch):
        return np.repeat(batch[:, 9, 9, None] / 255.0, 10, axis=1)

    images[:, 9, 9] = 255
    values = attributions.occlusion(predict, images[:2], np.zeros((28, 28), dtype=np.uint8))
    # All windows that hide it contain it; its neighbours share most of them.
    assert values[0, 9, 9, 0] == pytest.approx(1)
    assert values[0, 20, 20, 0] == 0
