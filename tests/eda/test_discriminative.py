"""Selected features are discriminative."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.eda.discriminative import correlation_ratio, discriminative_features
from fmnist_lib.features.named import named_features


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
