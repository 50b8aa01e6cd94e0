from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.data.changes import RowIndex, compare_data
from fmnist_lib.data.dataset import Split


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)


@pytest.fixture
def labels():
    return (np.arange(50) % 10).astype(np.uint8)


def index(images, labels):
    return RowIndex.of([Split(images[:30], labels[:30]), Split(images[30:], labels[30:])])


def test_the_same_images_in_another_order_are_no_change(images, labels):
    order = np.random.default_rng(1).permutation(50)
    changes = compare_data(index(images, labels), index(images[order], labels[order]), "m 1")
    assert not changes.any
    assert changes.kept == 50


def test_added_removed_and_relabelled_images_are_counted(images, labels):
    changed = labels.copy()
    changed[5] = 9
    before, after = index(images[:45], labels[:45]), index(images[3:], changed[3:])
    changes = compare_data(before, after, "m 1")
    counts = (changes.added, changes.removed, changes.relabelled, changes.kept)
    assert counts == (5, 3, 1, 41)
    assert (changes.before[9], changes.after[9]) == (4, 6)
    assert changes.by_class[0] == ("T-shirt/top", 5, 4)


def test_a_second_copy_of_an_image_is_an_added_image(images, labels):
    doubled = index(np.concatenate([images, images[:1]]), np.concatenate([labels, labels[:1]]))
    assert compare_data(index(images, labels), doubled, "m 1").added == 1


def test_an_index_survives_as_a_small_file(images, labels):
    rows = index(images, labels)
    again = RowIndex.from_bytes(rows.to_bytes())
    assert not compare_data(rows, again, "m 1").any
    assert len(rows.to_bytes()) < 2000
