from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.config.training import DataConfig
from fmnist_lib.data.dataset import Dataset, Split, load_dataset
from fmnist_lib.data.formats.batch import LabelledImages
from fmnist_lib.data.synthetic import generate
from fmnist_lib.workflows.retrain import combine, contest, rows_to_use, write_directory


@pytest.fixture(scope="module")
def old():
    images, labels = generate(900, seed=1)
    parts = [slice(0, 600), slice(600, 700), slice(700, 900)]
    return Dataset(*(Split(images[part], labels[part]) for part in parts))


@pytest.fixture(scope="module")
def new():
    images, labels = generate(200, seed=2)
    return LabelledImages(images, labels, 200)


def as_set(images):
    return {image.tobytes() for image in images}


def test_held_out_images_are_new_to_both_models(old, new):
    data = combine(old, new, 0.5, seed=3)
    fitted = as_set(data.train.images)
    assert not fitted & as_set(data.held_out.images[len(old.test) :])
    assert data.n_new_train + data.n_new_held_out == len(new)
    assert abs(data.n_new_held_out - 100) <= 2
    assert as_set(data.train.images) >= as_set(old.train.images) | as_set(old.validation.images)
    np.testing.assert_array_equal(data.held_out.images[: len(old.test)], old.test.images)


def test_an_image_the_champion_has_seen_is_not_held_out(old, new):
    seen = LabelledImages(
        np.concatenate([new.images[:100], old.train.images[:100]]),
        np.concatenate([new.labels[:100], old.train.labels[:100]]),
        200,
    )
    data = combine(old, seen, 0.5, seed=3)
    assert not as_set(data.held_out.images) & as_set(old.train.images)
    assert 30 < data.n_new_held_out < 70


def test_a_duplicate_of_a_fitted_new_image_is_not_held_out(old, new):
    images, labels = np.repeat(new.images[:1], 50, axis=0), np.repeat(new.labels[:1], 50)
    duplicates = LabelledImages(images, labels, 50)
    assert combine(old, duplicates, 0.5, seed=3).n_new_held_out == 0


def test_copies_of_test_images_are_neither_fitted_nor_held_out_again(old, new):
    copies = LabelledImages(
        np.concatenate([new.images[:100], old.test.images[:100], new.images[100:110]]),
        np.concatenate([new.labels[:100], old.test.labels[:100], new.labels[100:110]]),
        210,
    )
    data = combine(old, copies, 0.5, seed=3)
    assert not as_set(data.train.images) & as_set(data.held_out.images)
    assert data.n_new_train + data.n_new_held_out == 110
    only = LabelledImages(old.test.images[:100], old.test.labels[:100], 100)
    with pytest.raises(DataError, match="got 0 with labels besides 100 copies of test images"):
        combine(old, only, 0.5, seed=3)


def test_equal_new_images_are_held_out_once(old, new):
    pairs = LabelledImages(
        np.repeat(new.images[:60], 2, axis=0), np.repeat(new.labels[:60], 2), 120
    )
    held_out = combine(old, pairs, 0.9, seed=3).held_out.images[len(old.test) :]
    assert 0 < len(held_out) == len(as_set(held_out))


def test_the_split_is_seeded(old, new):
    first, again, other = (combine(old, new, 0.5, seed=seed) for seed in (3, 3, 4))
    assert first.train.sha256 == again.train.sha256 != other.train.sha256


def test_new_images_without_labels_or_too_few_are_refused(old, new):
    with pytest.raises(DataError, match="without labels"):
        combine(old, LabelledImages(new.images, None, 200), 0.5, seed=3)
    with pytest.raises(DataError, match="at least 20"):
        combine(old, LabelledImages(new.images[:19], new.labels[:19], 19), 0.5, seed=3)


def test_the_training_flow_reads_the_directory_back(old, new, tmp_path):
    data = combine(old, new, 0.5, seed=3)
    write_directory(data, tmp_path / "a" / "b")
    read, version = load_dataset(DataConfig(directory=str(tmp_path / "a" / "b")), tmp_path, seed=0)
    assert version.origin == "custom"
    np.testing.assert_array_equal(read.test.images, data.held_out.images)
    np.testing.assert_array_equal(read.test.labels, data.held_out.labels)
    both = np.concatenate([read.train.images, read.validation.images])
    assert sorted(map(bytes, both)) == sorted(map(bytes, data.train.images))


def test_a_limit_of_training_images_is_raised_by_the_new_ones(old, new):
    data = combine(old, new, 0.5, seed=3)
    assert rows_to_use(None, data) is None
    assert rows_to_use(500, data) == 500 + data.n_new_train
    assert rows_to_use(10_000, data) == len(data.train)


def test_a_challenger_wins_only_when_significantly_better():
    labels = np.zeros(1000, int)
    champion = np.where(np.arange(1000) < 900, 0, 1)
    clearly = np.where(np.arange(1000) < 950, 0, 1)
    barely = np.where(np.arange(1000) < 903, 0, 1)
    won = contest(labels, champion, clearly, 100, 0.05)
    assert won.better
    assert won.champion.value == pytest.approx(0.9)
    assert won.challenger_new.value == pytest.approx(0.5)
    assert won.champion_new.value == 0
    drawn = contest(labels, champion, barely, 0, 0.05)
    assert not drawn.better
    assert drawn.champion_new is None
    assert "not significantly better" in drawn.reason
    lost = contest(labels, clearly, champion, 100, 0.05)
    assert not lost.better
    assert lost.reason.startswith("not better")
    assert not contest(labels, champion, champion, 100, 0.05).better
