"""The embedding puts images of one class together."""

from __future__ import annotations

import numpy as np

from fmnist_lib.eda.embedding import embed


def test_garments_of_a_class_lie_together(train_images, train_labels):
    embedding = embed(train_images[:500], train_labels[:500], seed=0)
    assert embedding.points.shape == (500, 2)
    # Chance is 0.1.
    assert 0.5 < embedding.agreement < 0.95
    assert set(embedding.mixed_pair) <= {0, 2, 3, 4, 6}


def test_the_same_seed_gives_the_same_embedding(train_images, train_labels):
    first, again = (embed(train_images[:60], train_labels[:60], seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
