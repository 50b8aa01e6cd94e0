from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.data.batch import read_batch
from fmnist_lib.data.idx import write_idx
from fmnist_lib.errors import DataError


def test_every_format_gives_the_same_images(test_images, tmp_path):
    images = test_images[:20]
    write_idx(tmp_path / "batch.gz", images)
    np.save(tmp_path / "batch.npy", images.reshape(20, 784))
    np.savez(tmp_path / "batch.npz", images=images.astype(np.int64))
    for name in ("batch.gz", "batch.npy", "batch.npz"):
        np.testing.assert_array_equal(read_batch(tmp_path / name), images)


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "batch.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"batch\.npy: expected a readable \.npy file"):
        read_batch(tmp_path / "batch.npy")


@pytest.mark.parametrize("name", ["missing.npy", "missing.npz", "missing.gz"])
def test_a_missing_file_is_one_message(tmp_path, name):
    with pytest.raises(DataError, match="missing"):
        read_batch(tmp_path / name)


def test_an_archive_without_images_is_one_message(tmp_path):
    np.savez(tmp_path / "batch.npz", pictures=np.zeros((2, 28, 28)))
    with pytest.raises(DataError, match="images"):
        read_batch(tmp_path / "batch.npz")


def test_an_empty_batch_is_refused(tmp_path):
    np.save(tmp_path / "batch.npy", np.zeros((0, 28, 28), np.uint8))
    with pytest.raises(DataError, match="at least one image"):
        read_batch(tmp_path / "batch.npy")
