import pickle

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.drift.batch import Batch, halves


def test_halves_hold_every_image_once_with_its_own_outputs(test_images):
    marks = np.zeros((2000, 10))
    marks[:, 0] = np.arange(2000)
    first, second = halves(test_images, marks, seed=0)
    rows = np.concatenate([first.probabilities[:, 0], second.probabilities[:, 0]]).astype(int)
    assert sorted(rows) == list(range(2000))
    assert (np.concatenate([first.images, second.images]) == test_images[rows]).all()
    assert len(first) == len(second) == 1000


def test_classes_are_the_most_probable_ones(held_out, champion):
    assert (held_out[0].classes == champion.predict(held_out[0].images)).all()


@pytest.mark.parametrize(
    ("images", "probabilities"),
    [
        (np.zeros((3, 28, 28), np.uint8), np.zeros((2, 10))),
        (np.zeros((3, 28, 28), np.uint8), np.zeros((3, 9))),
        (np.zeros((3, 784), np.uint8), np.zeros((3, 10))),
        (np.zeros((3, 28, 28), np.float32), np.zeros((3, 10))),
        (np.zeros((0, 28, 28), np.uint8), np.zeros((0, 10))),
    ],
)
def test_anything_else_is_refused(images, probabilities):
    with pytest.raises(DataError, match="batch: expected"):
        Batch(images, probabilities)


def test_a_stored_batch_does_not_depend_on_what_was_computed_from_it(test_images):
    batch = Batch(test_images[:10], np.full((10, 10), 0.1))
    before = pickle.dumps(batch)
    assert len(batch.columns) == 10
    assert pickle.dumps(batch) == before
