"""Small champions on real images, one for each explainer."""

from __future__ import annotations

import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


def flatten(images):
    return images.reshape(len(images), -1) / 255


def flatten_to_length_one(images):
    """Scale every image to unit norm, which is not affine."""
    pixels = flatten(images)
    return pixels / ((pixels**2).sum(axis=1, keepdims=True) ** 0.5 + 1e-3)


def _fit(train_images, train_labels, *steps):
    return make_pipeline(*steps).fit(train_images[:2000], train_labels[:2000])


@pytest.fixture(scope="session")
def pixels():
    return FunctionTransformer(flatten)


@pytest.fixture(scope="session")
def length_one():
    return FunctionTransformer(flatten_to_length_one)


@pytest.fixture(scope="session")
def linear_champion(train_images, train_labels, pixels):
    """Like the search: a union of blocks, PCA and scaling before the classifier."""
    reduced = FeatureUnion([("pixels", Pipeline([("flat", pixels), ("pca", PCA(40))]))])
    classify = LogisticRegression(max_iter=100)
    return _fit(train_images, train_labels, reduced, StandardScaler(), classify)


@pytest.fixture(scope="session")
def boosted_champion(train_images, train_labels, pixels):
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    return _fit(train_images, train_labels, pixels, StandardScaler(), trees)


@pytest.fixture(scope="session")
def forest_champion(train_images, train_labels, pixels):
    trees = ExtraTreesClassifier(20, max_depth=10, random_state=0)
    return _fit(train_images, train_labels, pixels, trees)


@pytest.fixture(scope="session")
def kernel_champion(train_images, train_labels, pixels):
    """Nested pipeline: the classifier is a pipeline itself, like in the search."""
    classify = make_pipeline(
        Nystroem(gamma=0.02, n_components=200, random_state=0),
        LogisticRegression(C=10, max_iter=100),
    )
    return _fit(train_images, train_labels, pixels, PCA(40), classify)
