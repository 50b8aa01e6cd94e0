import numpy as np
import pytest

from fmnist_lib.explain.selection import select_images


@pytest.fixture
def answers():
    """100 images of every class; every fifth shirt and every tenth coat is a mistake."""
    labels = np.repeat(np.arange(10), 100)
    predictions = labels.copy()
    predictions[600:700:5] = 0
    predictions[400:500:10] = 2
    return labels, predictions


def test_every_class_is_shown_equally_with_mistakes_where_there_are_any(answers):
    labels, predictions = answers
    rows = select_images(labels, predictions, per_class=3, seed=0)
    assert np.bincount(labels[rows]).tolist() == [3] * 10
    wrong = labels[rows][labels[rows] != predictions[rows]]
    assert sorted(wrong) == [4, 6]
    assert len(set(rows)) == 30


def test_one_image_per_class_shows_the_mistake_of_the_worst_class(answers):
    labels, predictions = answers
    rows = select_images(labels, predictions, per_class=1, seed=0)
    assert labels[rows].tolist() == list(range(10))
    assert labels[rows][labels[rows] != predictions[rows]].tolist() == [6]


def test_a_class_that_is_always_wrong_is_shown_by_its_mistakes():
    labels = np.repeat(np.arange(10), 5)
    predictions = np.where(labels == 3, 4, labels)
    rows = select_images(labels, predictions, per_class=4, seed=0)
    assert np.bincount(labels[rows]).tolist() == [4] * 10


def test_another_seed_shows_other_images(answers):
    chosen = [set(select_images(*answers, per_class=3, seed=seed)) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
