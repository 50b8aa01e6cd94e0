"""A small fitted champion, and its stored copy."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import save_model


@pytest.fixture(scope="session")
def champion(small_pipeline):
    return small_pipeline


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
