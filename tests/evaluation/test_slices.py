from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.config.stress import StressConfig
from fmnist_lib.evaluation.slices import holm, measure_slices
from fmnist_lib.evaluation.training_space import TrainingSpace
from fmnist_lib.evaluation.tree_rules import tree_rules
from fmnist_lib.features.named import named_features

CONFIG = StressConfig(bins=3, min_slice=30)


def probabilities(predicted):
    return np.eye(10)[predicted]


@pytest.fixture(scope="module")
def features(test_images):
    return named_features(test_images)


def slices(labels, predicted, features, **changes):
    distance = features["mean_ink"].to_numpy()
    usual = {"config": CONFIG, "confidence": 0.95, "seed": 0} | changes
    return measure_slices(labels, probabilities(predicted), features, distance, **usual)


def with_errors(labels, wrong):
    return np.where(wrong, (labels + 1) % 10, labels)


def test_a_class_with_errors_is_the_worst_slice_with_a_wider_interval(test_labels, features):
    wrong = (test_labels == 6) & (np.arange(len(test_labels)) % 2 == 0)
    found = slices(test_labels, with_errors(test_labels, wrong), features)
    alone = next(one for one in found.slices if one.name == "Shirt")
    assert found.worst is not None
    assert found.worst.name == "Shirt"
    assert found.worst.accuracy.low < alone.accuracy.low < alone.accuracy.value
    assert found.worst.accuracy.value == 1 - wrong.sum() / (test_labels == 6).sum()


def test_a_rule_in_named_features_is_found_and_shown_on_the_other_half(test_labels, features):
    wrong = features["mean_ink"].to_numpy() > features["mean_ink"].quantile(0.9)
    found = [
        one
        for one in slices(test_labels, with_errors(test_labels, wrong), features).slices
        if one.kind == "found"
    ]
    assert found[0].name.startswith("mean ink above")
    assert found[0].is_worse
    assert found[0].n_images < len(test_labels) * 0.07


def test_without_errors_nothing_is_worse_and_nothing_found(test_labels, features):
    found = slices(test_labels, test_labels, features)
    assert found.worst is None
    assert found.n_errors == 0
    assert not any(one.kind == "found" or one.is_worse for one in found.slices)


def test_errors_at_random_are_no_slice(test_labels, features):
    wrong = np.random.default_rng(1).random(len(test_labels)) < 0.1
    assert slices(test_labels, with_errors(test_labels, wrong), features).worst is None


def test_a_constant_predictor_is_wrong_on_nine_classes(test_labels, features):
    found = slices(test_labels, np.zeros_like(test_labels), features)
    classes = [one for one in found.slices if one.kind == "class"]
    assert [one.accuracy.value for one in classes] == [1.0] + [0.0] * 9
    assert found.worst is not None
    assert found.worst.accuracy.value == 0


def test_a_missing_class_and_small_slices_are_named(test_labels, features):
    rows = test_labels != 3
    labels = test_labels[rows]
    found = slices(labels, labels, features[rows], config=StressConfig(bins=3, min_slice=195))
    assert found.missing_classes == ("Dress",)
    assert 0 < found.n_small < 9


def test_equal_values_give_no_bins(test_labels, features):
    flat = features.assign(blank_share=0.5, box_width=20.0, box_height=20.0)
    kinds = {one.kind for one in slices(test_labels, test_labels, flat).slices}
    assert kinds == {"class", "distance"}


def test_every_test_image_is_in_one_bin(test_labels, features):
    found = slices(test_labels, test_labels, features).slices
    for kind in ("class", "ink", "size", "distance"):
        assert sum(one.n_images for one in found if one.kind == kind) == len(test_labels)


def test_holm_is_monotone_and_never_above_one():
    assert holm([0.04, 0.001, 0.9]) == pytest.approx([0.08, 0.003, 0.9])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_repeated_threshold_is_said_once():
    values = np.arange(400.0)
    features = pd.DataFrame({"width": values})
    rules = tree_rules(features, (values > 120) & (values < 180), depth=3, min_rows=20)
    text = rules[0].text
    assert text.count("above") == text.count("at most") == 1
    covered = rules[0].covers(features)
    assert covered[121:180].all()


def test_distances_and_clear_images(train_images, train_labels, test_images, test_labels):
    space = TrainingSpace(train_images[:2000], train_labels[:2000], components=8)
    assert space.nearest(train_images[:50]).max() < 1e-3
    inverted, plain = (space.nearest(one) for one in (255 - test_images[:50], test_images[:50]))
    assert np.median(inverted) > 2 * np.median(plain)
    rows = space.clearest(test_images, test_labels, 3)
    assert np.bincount(test_labels[rows]).tolist() == [3] * 10
    without = test_labels != 4
    assert len(space.clearest(test_images[without], test_labels[without], 3)) == 27
