from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.config.training import AuditConfig
from fmnist_lib.data import duplicates
from fmnist_lib.data.audit import audit
from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.data.duplicates import distinct, near_pairs


@pytest.fixture
def dataset(train_images, train_labels, test_images, test_labels):
    """Real images: 1,200 to train, 300 to validate, 500 to test."""
    return Dataset(
        Split(train_images[:1200].copy(), train_labels[:1200].copy()),
        Split(train_images[1200:1500].copy(), train_labels[1200:1500].copy()),
        Split(test_images[:500].copy(), test_labels[:500].copy()),
    )


def _brute_force(images, distance):
    flat = images.reshape(len(images), -1).astype(np.int64)
    squares = (flat**2).sum(axis=1)
    apart = np.sqrt((squares[:, None] + squares - 2 * flat @ flat.T) / flat.shape[1])
    return {(i, j) for i, j in np.argwhere(apart <= distance) if i < j}


@pytest.mark.parametrize("distance", [5.0, 20.0, 30.0])
def test_near_pairs_are_those_of_brute_force(train_images, rng, distance):
    images = train_images[:900].copy()
    # Make sure there are close ones: slightly noisy copies.
    noise = rng.integers(-4, 5, (100, 28, 28))
    images[:100] = np.clip(images[100:200].astype(int) + noise, 0, 255)
    pairs = near_pairs(images, distance)
    found = {tuple(sorted(pair)) for pair in zip(pairs.first, pairs.second, strict=True)}
    assert found == _brute_force(images, distance)
    assert len(found) == len(pairs.first) >= 100
    assert pairs.complete


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_distance_at_the_limit_counts_and_one_beyond_does_not(level):
    images = np.full((3, 28, 28), level, dtype=np.uint8)
    step = -3 if level == 255 else 3
    images[1] += np.int8(step).astype(np.uint8)
    images[2, 14:] += np.int8(4 * step).astype(np.uint8)
    pairs = near_pairs(images, 3.0)
    assert list(zip(pairs.first, pairs.second, strict=True)) in ([(0, 1)], [(1, 0)])
    assert pairs.distance.tolist() == [3.0]
    assert len(near_pairs(images, 2.99).first) == 0


def test_too_many_pairs_end_the_search_and_are_reported(monkeypatch, train_images, dataset):
    monkeypatch.setattr(duplicates, "MAX_COMPARISONS", 1000)
    pairs = near_pairs(train_images[:500], 200.0)
    assert not pairs.complete
    assert 0 < len(pairs.first) <= 1000
    report = audit(dataset, AuditConfig(near_duplicate_distance=200.0))
    assert not report.near_search_complete


def test_equal_images_share_a_group(train_images):
    images = train_images[[5, 7, 5, 9, 7, 5]]
    first, group = distinct(images)
    assert first.tolist() == [0, 1, 3]
    assert group.tolist() == [0, 1, 0, 2, 1, 0]


def test_the_first_real_images_have_no_copies(dataset):
    report = audit(dataset, AuditConfig())
    assert [split.images for split in report.splits] == [1200, 300, 500]
    assert [count.identical for count in report.duplicates] == [0, 0, 0]
    assert sum(report.splits[0].class_counts) == 1200
    assert (report.splits[0].minimum, report.splits[0].maximum) == (0, 255)
    assert report.splits[0].mean == pytest.approx(dataset.train.images.mean())
    assert report.splits[2].zero_share == pytest.approx((dataset.test.images == 0).mean())


def test_duplicates_are_counted_per_split(dataset):
    train, validation, test = dataset.train, dataset.validation, dataset.test
    # Two copies of one training image in validation, one of them with another label.
    validation.images[[3, 4]] = train.images[10]
    validation.labels[3] = train.labels[10]
    validation.labels[4] = (train.labels[10] + 1) % 10
    # A leak into the test set, and a pair within it.
    test.images[0], test.labels[0] = train.images[20], train.labels[20]
    test.images[2], test.labels[2] = test.images[1], test.labels[1]
    within, within_test, leaks = audit(dataset, AuditConfig(near_duplicate_distance=0)).duplicates
    assert (within.images, within.identical, within.identical_conflicting) == (1500, 3, 3)
    assert (within_test.identical, within_test.identical_conflicting) == (2, 0)
    assert (leaks.images, leaks.identical, leaks.identical_conflicting) == (500, 1, 0)


def test_near_duplicates_are_counted_and_label_conflicts_shown_first(dataset):
    train, test = dataset.train, dataset.test
    before = audit(dataset, AuditConfig())
    assert before.leaks.near == 0
    for row in (0, 1):  # differ in one pixel
        test.images[row] = train.images[row]
        test.images[row, 0, 0] = 255 - test.images[row, 0, 0]
    test.labels[0] = train.labels[0]
    test.labels[1] = (train.labels[1] + 1) % 10
    report = audit(dataset, AuditConfig(near_duplicate_distance=10))
    assert (report.leaks.identical, report.leaks.near, report.leaks.near_conflicting) == (0, 2, 1)
    first, second = report.examples[:2]
    assert set(first.splits) == set(second.splits) == {"train", "test"}
    assert first.labels[0] != first.labels[1]
    assert second.labels[0] == second.labels[1]
    assert first.distance == pytest.approx(255 / 28, rel=0.02)
    assert first.images.shape == (2, 28, 28)
    assert [picture.name for picture in report.pictures] == ["near-duplicates"]


def test_constant_and_empty_images_are_counted(dataset):
    dataset.train.images[0] = 0
    dataset.train.images[1] = 77
    train = audit(dataset, AuditConfig()).splits[0]
    assert (train.constant, train.empty) == (2, 1)


def test_identical_images_do_not_raise():
    same = Split(np.zeros((300, 28, 28), np.uint8), np.arange(300, dtype=np.uint8) % 10)
    report = audit(Dataset(same, same, same), AuditConfig())
    assert [count.identical for count in report.duplicates] == [600, 300, 300]
    assert report.near_pairs == 0
    assert report.near_search_complete


def test_zero_examples_draw_no_picture_of_pairs(dataset):
    dataset.test.images[0] = dataset.train.images[0]
    dataset.test.images[0, 0, 0] = 1
    report = audit(dataset, AuditConfig(examples=0))
    assert report.near_pairs > 0
    assert report.examples == ()
    assert report.pictures == ()
