from __future__ import annotations

import numpy as np

from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.data.splits import main, write_splits


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


def test_a_wrong_configuration_is_one_message(tmp_path, capsys):
    assert main([str(tmp_path / "out.npz"), "--config", str(tmp_path / "none.toml")]) == 1
    assert "expected a readable TOML or JSON file" in capsys.readouterr().err
