from __future__ import annotations

import pickle

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.config.training import DataConfig
from fmnist_lib.data import download as download_module
from fmnist_lib.data.dataset import Split, load_dataset, split_indices
from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.data.official_files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS


@pytest.fixture
def load(project, tmp_path):
    def load(directory=None, seed=0, mirrors=("http://127.0.0.1:9/",), **settings):
        config = DataConfig(directory=directory and str(directory), **settings)
        return load_dataset(config, project, seed, tmp_path / "cache", mirrors)

    return load


def _rows(split):
    return {
        image.tobytes() + bytes([label])
        for image, label in zip(split.images, split.labels, strict=True)
    }


def test_the_official_data_are_split_evenly_and_completely(load, real_data_dir, test_images):
    dataset, version = load(real_data_dir)
    assert version.origin == "official"
    assert version.location == str(real_data_dir)
    assert len(version.files) == 4
    assert np.bincount(dataset.train.labels).tolist() == [5000] * 10
    assert np.bincount(dataset.validation.labels).tolist() == [1000] * 10
    # All 60,000 are distinct, so nothing was lost and nothing is in both.
    assert len(_rows(dataset.train) | _rows(dataset.validation)) == 60000
    np.testing.assert_array_equal(dataset.test.images[:2000], test_images)
    assert all(split.images.dtype == np.uint8 for split in dataset.splits.values())


def test_labels_stay_with_their_images(load, custom_dir, small_arrays):
    known = _rows(Split(small_arrays[TRAIN_IMAGES], small_arrays[TRAIN_LABELS]))
    dataset, _ = load(custom_dir)
    assert _rows(dataset.train) | _rows(dataset.validation) == known


def test_the_same_seed_gives_the_same_split_and_another_does_not(load, custom_dir):
    (first, version), (_, same), (_, other) = (
        load(custom_dir, seed=1),
        load(custom_dir, seed=1),
        load(custom_dir, seed=2),
    )
    assert version == same
    assert version.splits["train"] != other.splits["train"]
    assert version.splits["test"] == other.splits["test"]
    assert version.fingerprint != other.fingerprint
    assert version.splits["train"] == first.train.sha256


def test_rows_count_training_and_validation_together(load, custom_dir, small_arrays):
    dataset, _ = load(custom_dir, rows=600, validation_share=0.25)
    assert [len(split) for split in dataset.splits.values()] == [450, 150, 200]
    wanted = np.bincount(small_arrays[TRAIN_LABELS]) * 0.15
    assert np.abs(np.bincount(dataset.validation.labels) - wanted).max() < 2


def test_more_rows_than_there_are_is_an_error(load, custom_dir):
    with pytest.raises(DataError, match="1000 training images there are, got 1001"):
        load(custom_dir, rows=1001)


@pytest.mark.parametrize(("rows", "share"), [(None, 1 / 6), (777, 0.3), (5001, 0.111)])
def test_uneven_classes_keep_their_shares(rng, rows, share):
    labels = rng.choice(10, 6000, p=np.arange(1, 11) / 55).astype(np.uint8)
    train, validation = split_indices(labels, rows, share, seed=0)
    used = rows or len(labels)
    assert len(train) + len(validation) == used
    assert len(validation) == round(used * share)
    assert len(np.intersect1d(train, validation)) == 0
    assert len(np.unique(train)) == len(train)
    even = np.bincount(labels) / len(labels)
    for part in (train, validation):
        counts = np.bincount(labels[part], minlength=10)
        assert np.abs(counts - even * len(part)).max() < 2


def test_a_file_sorted_by_class_is_mixed():
    labels = np.repeat(np.arange(10, dtype=np.uint8), 100)
    train, _ = split_indices(labels, None, 0.2, seed=0)
    assert len(np.unique(labels[train[:100]])) == 10


def test_a_missing_class_is_named():
    labels = np.repeat(np.arange(9, dtype=np.uint8), 100)
    with pytest.raises(DataError, match="Ankle boot"):
        split_indices(labels, None, 0.2, seed=0)


def test_a_validation_split_too_small_for_every_class_is_an_error():
    labels = np.repeat(np.arange(10, dtype=np.uint8), 100)
    with pytest.raises(DataError, match="validation images"):
        split_indices(labels, None, 0.005, seed=0)


def test_one_pixel_or_one_label_changes_the_fingerprint(train_images, train_labels):
    split = Split(train_images[:100], train_labels[:100])
    assert split.sha256 == Split(train_images[:100].copy(), train_labels[:100]).sha256
    brighter, renamed = train_images[:100].copy(), train_labels[:100].copy()
    brighter[50, 14, 14] ^= 1
    renamed[99] = (renamed[99] + 1) % 10
    assert split.sha256 != Split(brighter, train_labels[:100]).sha256
    assert split.sha256 != Split(train_images[:100], renamed).sha256


def test_one_changed_test_pixel_changes_the_version(load, custom_dir, small_arrays):
    _, before = load(custom_dir)
    images = small_arrays[TEST_IMAGES].copy()
    images[0, 0, 0] ^= 1
    write_idx(custom_dir / TEST_IMAGES, images)
    _, after = load(custom_dir)
    assert before.splits["train"] == after.splits["train"]
    assert before.splits["test"] != after.splits["test"]
    assert before.fingerprint != after.fingerprint


def test_custom_data_are_reported_as_such(load, custom_dir):
    _, version = load(custom_dir)
    assert version.description == "not the official Fashion-MNIST"
    assert version.location == str(custom_dir)


def test_counts_that_do_not_match_are_an_error(load, custom_dir, small_arrays):
    write_idx(custom_dir / TEST_LABELS, small_arrays[TEST_LABELS][:-1])
    with pytest.raises(DataError, match="expected 200 labels"):
        load(custom_dir)


def test_a_bit_flip_in_a_named_directory_is_an_error(load, custom_dir):
    content = bytearray((custom_dir / TRAIN_IMAGES).read_bytes())
    content[len(content) // 2] ^= 4
    (custom_dir / TRAIN_IMAGES).write_bytes(content)
    with pytest.raises(DataError, match=TRAIN_IMAGES):
        load(custom_dir)


def test_generated_data_have_the_same_form(load, monkeypatch):
    monkeypatch.setattr(download_module, "RETRY_SECONDS", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    dataset, version = load()
    assert version.origin == "synthetic"
    assert version.location == "generated"
    assert version.files == {}
    assert [len(split) for split in dataset.splits.values()] == [10000, 2000, 2000]


def test_a_dataset_can_be_pickled(load, custom_dir):
    dataset, version = load(custom_dir)
    copy, same = pickle.loads(pickle.dumps((dataset, version)))
    assert copy.train.sha256 == dataset.train.sha256
    assert same == version
