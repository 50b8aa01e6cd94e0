from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.search.recipes.search_data import SearchData


@pytest.fixture(scope="session")
def data(train_images, train_labels):
    """600 held-out and 2,400 other training images, 1,000 validation images."""
    chosen = np.array([*range(3000), *range(5000, 6000)])
    return SearchData(train_images[chosen], train_labels[chosen], 600, 3000, chosen)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Feature columns computed by one test serve the others."""
    return tmp_path_factory.mktemp("cache")
