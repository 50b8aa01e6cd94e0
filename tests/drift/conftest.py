"""A small champion on real images, and its held-out outputs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fmnist_lib.drift.batch import halves


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def champion(train_images, train_labels):
    flatten = FunctionTransformer(lambda images: images.reshape(len(images), -1) / 255)
    steps = (flatten, PCA(40, random_state=0), StandardScaler(), LogisticRegression(max_iter=200))
    return make_pipeline(*steps).fit(train_images[:3000], train_labels[:3000])


@pytest.fixture(scope="session")
def held_out(champion, test_images):
    """Reference and held-back batch, 1,000 images each."""
    return halves(test_images, champion.predict_proba(test_images), seed=0)
