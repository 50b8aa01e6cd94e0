from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.data.splits import write_splits


def test_the_same_splits_give_the_same_bytes(train_images, train_labels, tmp_path):
    parts = [slice(0, 100), slice(100, 150), slice(150, 200)]
    dataset = Dataset(*(Split(train_images[rows], train_labels[rows]) for rows in parts))
    for name in ("one.npz", "two.npz"):
        write_splits(dataset, tmp_path / "data" / name)
    one, two = (tmp_path / "data" / name for name in ("one.npz", "two.npz"))
    assert one.read_bytes() == two.read_bytes()
    with np.load(one) as file:
        np.testing.assert_array_equal(file["validation_labels"], train_labels[100:150])
    assert sorted(path.name for path in one.parent.iterdir()) == ["one.npz", "two.npz"]


def test_a_file_that_cannot_be_written_is_one_message(train_images, train_labels, tmp_path):
    dataset = Dataset(*[Split(train_images[:100], train_labels[:100])] * 3)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="expected to write the splits there"):
        write_splits(dataset, tmp_path / "file" / "out.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
