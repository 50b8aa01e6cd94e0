"""One exploration shared by all tests of this folder."""

from __future__ import annotations

import pytest

from fmnist_lib.config.training import EdaConfig
from fmnist_lib.eda.report import explore


@pytest.fixture(scope="session")
def eda_config():
    return EdaConfig(sweetviz_rows=300, sweetviz_features=3, embedding_rows=400, images_per_class=3)


@pytest.fixture(scope="session")
def report(train_images, train_labels, test_images, test_labels, eda_config):
    return explore(train_images, train_labels, test_images, test_labels, eda_config, seed=3)
