from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.out_of_fold import OutOfFold
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.label_audit.audit import audit_labels
from fmnist_lib.label_audit.neighbours import near_duplicates, nearest_rows
from fmnist_lib.label_audit.suspects import confusion_rates, rank_suspects

N = 2000
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def settings():
    return read_settings(DEFAULT_CONFIG)


def out_of_fold(labels, probabilities):
    n = len(labels)
    return OutOfFold(
        probabilities=probabilities.astype(np.float32),
        labels=labels,
        numbers=3 * np.arange(n),
        fold=(np.arange(n) % 5).astype(np.uint8),
        n_folds=5,
        n_available=n,
        seconds=1.0,
    )


@pytest.fixture(scope="module")
def flipped(train_labels):
    """Fifty wrong labels, and a model that is right in 95 % of the images."""
    random = np.random.default_rng(0)
    true = train_labels[:N].copy()
    answers = np.where(random.random(N) < 0.95, true, (true + 1) % 10)
    probabilities = random.dirichlet(np.ones(10), N) * 0.3
    probabilities[np.arange(N), answers] += 0.7
    given = true.copy()
    wrong = random.choice(N, 50, replace=False)
    given[wrong] = (given[wrong] + random.integers(2, 9, 50)) % 10
    return out_of_fold(given, probabilities), true, wrong


def test_wrong_labels_are_ranked_first(flipped):
    found, _, wrong = flipped
    rows = rank_suspects(found.labels, found.probabilities)
    assert len(rows) == len(set(rows))
    assert np.isin(wrong, rows).mean() > 0.8
    given = found.probabilities[rows, found.labels[rows]]
    assert (np.diff(given) >= -1e-6).all()


def test_the_audit_gives_evidence_for_every_suspect(flipped, settings, train_images):
    found, true, wrong = flipped
    columns = np.eye(10, dtype=np.float32)[true] + 0.01 * np.float32(
        np.random.default_rng(1).random((N, 10))
    )
    audit = audit_labels(found, train_images[:N], columns, settings)
    table = audit.suspects.set_index("image")
    planted = table[table.index.isin(3 * wrong)]
    assert len(planted) >= 40
    assert (planted["kind"] == "likely error").all()
    assert (planted["neighbours_suggested"] >= 9).mean() > 0.9
    suggested = [CLASS_NAMES[true[number // 3]] for number in planted.index]
    assert (planted["suggested"] == suggested).mean() > 0.9
    # The model confuses each class with the next: nobody can tell whether the label is wrong.
    confused = table[~table.index.isin(3 * wrong)]
    assert set(confused["kind"]) <= {"ambiguous class", "likely error"}
    assert audit.count("likely error") + audit.count("ambiguous class") == len(table)
    assert audit.weak_group.n_images >= 50
    assert audit.weak_group.accuracy.low < audit.accuracy.value
    assert set(audit.unusual["reason"]) == {"dark", "little information", "outlier"}
    assert [picture.png[:4] for picture in audit.pictures] == [PNG] * 3
    assert audit.notes == ()


def test_suspects_of_confused_classes_are_ambiguous_unless_their_neighbours_agree(
    flipped, settings, train_images
):
    found, _, _ = flipped
    random = np.random.default_rng(2)
    columns = random.random((N, 8)).astype(np.float32)  # neighbours at random
    suspects = audit_labels(found, train_images[:N], columns, settings).suspects
    next_class = {name: CLASS_NAMES[(label + 1) % 10] for label, name in enumerate(CLASS_NAMES)}
    confused = suspects[suspects["given"].map(next_class) == suspects["suggested"]]
    assert len(confused) > 10
    assert (confused["kind"] == "ambiguous class").mean() > 0.9


def test_an_all_black_image_and_near_duplicates_of_another_label(settings, flipped, train_images):
    found, true, wrong = flipped
    images = train_images[:N].copy()
    columns = np.eye(10, dtype=np.float32)[true]
    images[wrong[0]] = 0
    twin = int(np.flatnonzero(true == true[wrong[1]])[0])
    images[twin] = images[wrong[1]]
    columns[twin] = columns[wrong[1]] = 5.0
    audit = audit_labels(found, images, columns, settings)
    suspects = audit.suspects.set_index("image")
    assert str(3 * twin) in suspects.loc[3 * wrong[1], "duplicates"].split()
    assert 3 * wrong[0] in set(audit.unusual["image"])


@pytest.mark.parametrize("case", ["constant", "one class missing", "one image of a class"])
def test_degenerate_answers_are_said(case, flipped, settings, train_images):
    found, true, _ = flipped
    labels = found.labels
    if case == "constant":
        found = replace(found, probabilities=np.full((N, 10), 0.1, dtype=np.float32))
    elif case == "one class missing":
        labels = np.where(labels == 3, 4, labels).astype(np.uint8)
        found = replace(found, labels=labels)
    else:
        labels = np.where(labels == 3, 4, labels).astype(np.uint8)
        labels[0] = 3
        found = replace(found, labels=labels)
    audit = audit_labels(found, train_images[:N], np.eye(10, dtype=np.float32)[true], settings)
    if case == "constant":
        assert len(audit.suspects) == 0
        assert "predicts the same for every image" in audit.notes[0]
    elif case == "one image of a class":
        assert "images of the rarest class: 1, fewer" in audit.notes[0]
    assert np.isfinite(audit.accuracy.value)


def test_the_nearest_rows_are_exact_and_exclude_the_row_itself():
    columns = np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)
    rows = np.arange(0, 600, 2)
    found = nearest_rows(columns, rows, 7)
    distance = np.linalg.norm(columns[rows, None] - columns[None], axis=2)
    distance[np.arange(len(rows)), rows] = np.inf
    np.testing.assert_array_equal(found, distance.argsort(axis=1)[:, :7])
    assert nearest_rows(columns[:3], np.array([0]), 7).shape == (1, 2)


def test_near_duplicates_are_within_the_distance():
    images = np.zeros((3, 28, 28), np.uint8)
    images[1] += 5
    images[2] += 20
    found = near_duplicates(images, np.array([0]), np.array([[1, 2]]), distance=8.0)
    np.testing.assert_array_equal(found, [[True, False]])


def test_confusion_is_symmetric_and_a_share_of_both_classes():
    labels = np.repeat([0, 1], [30, 10]).astype(np.uint8)
    probabilities = np.zeros((40, 10))
    probabilities[:, 0] = 1
    rates = confusion_rates(labels, probabilities)
    assert rates[0, 1] == rates[1, 0] == pytest.approx(10 / 40)
