"""Stratified samples keep class shares; selected features are discriminative."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.eda.sampling import correlation_ratio, discriminative_features, stratified_rows
from fmnist_lib.features.named import named_features


def test_a_sample_keeps_every_class_share(rng):
    labels = rng.permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    rows = stratified_rows(labels, 100, rng)
    assert len(set(rows)) == 100
    np.testing.assert_allclose(np.bincount(labels[rows]), [60, 30, 10], atol=1)


def test_asking_for_more_gives_every_row(rng):
    assert stratified_rows(np.zeros(7, int), 50, rng).tolist() == list(range(7))


def test_samples_follow_the_seed(train_labels):
    first, again, other = (
        stratified_rows(train_labels, 200, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.tolist() == again.tolist() != other.tolist()


def test_correlation_ratio_of_known_columns(rng):
    labels = np.repeat([0, 1], 500)
    frame = pd.DataFrame(
        {"class": labels, "noise": rng.normal(size=1000), "flat": np.ones(1000)}
    ).astype("float32")
    ratios = correlation_ratio(frame, labels)
    assert ratios["class"] == pytest.approx(1)
    assert ratios["noise"] < 0.02
    assert ratios["flat"] == 0


def test_selected_features_are_not_redundant(train_images, train_labels):
    frame = named_features(train_images)
    chosen = discriminative_features(frame, correlation_ratio(frame, train_labels), 8)
    assert len(chosen) == 8
    correlation = frame[chosen].corr().abs().to_numpy() - np.eye(8)
    assert correlation.max() <= 0.9
    assert chosen[0] == correlation_ratio(frame, train_labels).idxmax()


@pytest.fixture
def rng():
    return np.random.default_rng(5)
