from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.common.errors import DataError, ModelError
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.model_files.conformal_file import read_conformal, write_conformal
from fmnist_lib.model_files.predictor import COLUMNS, SET_COLUMNS, predictions
from fmnist_lib.model_files.stored_model import load_model, save_model


@pytest.fixture(scope="module")
def calibration(champion, test_images, test_labels):
    return sorted_by_class(champion.predict_proba(test_images), test_labels)


@pytest.fixture(scope="module")
def with_sets(champion, reference, calibration, test_images, tmp_path_factory):
    directory = tmp_path_factory.mktemp("with sets") / "model"
    return save_model(champion, test_images[:5], directory, reference, conformal=calibration)


def test_a_stored_calibration_gives_the_same_sets_and_bytes(calibration, tmp_path):
    write_conformal(calibration, tmp_path / "one.npz")
    write_conformal(calibration, tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    copy = read_conformal(tmp_path / "one.npz")
    for level in (0.5, 0.9, 0.95, 0.995, 0.9999):
        np.testing.assert_array_equal(copy.thresholds(level), calibration.thresholds(level))


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"probabilities": np.ones(3, np.float32)},
        {"probabilities": np.ones(3, np.float32), "counts": np.zeros(10, np.int64)},
        {"probabilities": np.ones(10), "counts": np.ones(10, np.int64)},
        {"probabilities": np.full(10, np.nan, np.float32), "counts": np.ones(10, np.int64)},
        {"probabilities": np.full(10, 2, np.float32), "counts": np.ones(10, np.int64)},
        {
            "probabilities": np.linspace(1, 0, 20, dtype=np.float32),
            "counts": np.full(10, 2, np.int64),
        },
        {"probabilities": np.array([None] * 10), "counts": np.ones(10, np.int64)},
    ],
)
def test_another_file_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "conformal.npz", **arrays)
    with pytest.raises(ModelError, match=r"conformal\.npz: expected"):
        read_conformal(tmp_path / "conformal.npz")


def test_the_table_has_the_set_of_every_image(with_sets, calibration, champion, test_images):
    model, images = load_model(with_sets.directory), test_images[:300]
    table = predictions(model, images, 0.99)
    assert tuple(table.columns) == (*COLUMNS, *SET_COLUMNS)
    probabilities = champion.predict_proba(images)
    sets = calibration.sets(probabilities, 0.99)
    np.testing.assert_array_equal(table["set_size"], sets.sum(axis=1))
    assert table["set_size"].nunique() > 2
    for names, has, row in zip(table["set"], sets, probabilities, strict=True):
        labels = [CLASS_NAMES.index(name) for name in names.split("; ") if name]
        assert set(labels) == set(np.flatnonzero(has))
        assert labels == sorted(labels, key=lambda label: -row[label])
    plain = predictions(model, images)
    assert tuple(plain.columns) == COLUMNS
    assert table[list(COLUMNS)].equals(plain)
    with pytest.raises(DataError, match="between 0 and 1"):
        predictions(model, images, 1.5)


def test_an_empty_set_is_empty_text(with_sets, test_images):
    table = predictions(load_model(with_sets.directory), test_images, 0.3)
    empty = table[table["set_size"] == 0]
    assert len(empty)
    assert (empty["set"] == "").all()


def test_a_model_without_a_calibration_says_so_only_when_sets_are_asked_for(saved, test_images):
    model = load_model(saved.directory)
    assert model.conformal is None
    assert len(predictions(model, test_images[:3])) == 3
    with pytest.raises(ModelError, match="expected a calibration of prediction sets, found none"):
        predictions(model, test_images[:3], 0.95)


def test_a_changed_calibration_is_found_and_a_model_that_lost_it_is_refused(with_sets, tmp_path):
    copy = shutil.copytree(with_sets.directory, tmp_path / "model")
    content = bytearray((copy / "conformal.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "conformal.npz").write_bytes(content)
    with pytest.raises(ModelError, match=r"conformal\.npz: expected the file that model\.json"):
        load_model(copy)
    (copy / "conformal.npz").unlink()
    with pytest.raises(ModelError, match=r"conformal\.npz: expected it beside model\.json"):
        load_model(copy)
    assert "conformal.npz" in json.loads((copy / "model.json").read_text())["files"]
