from __future__ import annotations

import conformal
import numpy as np
import pytest


def test_coverage_sizes_and_the_expected_interval_are_measured():
    labels = np.arange(1000) % 10
    sets = np.eye(10, dtype=bool)[labels]
    sets[:60, :] = False
    sets[60:100, :2] = True
    table = conformal.rows("x", np.stack([sets] * 3), labels)
    assert table["coverage"].tolist() == [0.94] * 3
    assert table["empty"].tolist() == [0.06] * 3
    assert table["mean_size"][0] == pytest.approx(sets.sum() / 1000)
    assert table["classes_inside"][1] == 10
    assert table["low"][1] < 0.94 < table["high"][1]


def test_the_file_is_read_and_a_missing_environment_is_one_message(tmp_path, monkeypatch):
    probabilities, labels = np.full((50, 10), 0.1, np.float32), np.arange(50) % 10
    np.savez(
        tmp_path / "file.npz",
        probabilities=probabilities,
        labels=labels,
        test_probabilities=probabilities,
        test_labels=labels,
    )
    data = conformal._from_file(tmp_path / "file.npz")
    assert conformal.own_sets(data).shape == (3, 50, 10)
    monkeypatch.setattr(conformal, "ENVIRONMENTS", tmp_path)
    with pytest.raises(SystemExit, match=r"conformal\.py --setup"):
        conformal.peer_sets(data)
