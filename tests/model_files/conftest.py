"""A small fitted champion, and its stored copy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import save_model


@pytest.fixture(scope="session")
def champion(train_images, train_labels):
    pipeline = make_pipeline(Pixels(), PCA(30, random_state=0), LogisticRegression(max_iter=500))
    # Published models were pickled in the datastore before.
    return pickle.loads(pickle.dumps(pipeline.fit(train_images[:2000], train_labels[:2000])))


@pytest.fixture(scope="session")
def reference(champion, train_images, test_images, test_labels):
    return HeldOutReference.fit(
        train_images, test_images, test_labels, champion.predict_proba(test_images)
    )


@pytest.fixture(scope="session")
def saved(champion, reference, test_images, tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved") / "model"
    return save_model(champion, test_images[:50], directory, reference)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
