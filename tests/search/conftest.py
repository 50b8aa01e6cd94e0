from __future__ import annotations

import pytest

from fmnist_lib.search.result import SearchData


@pytest.fixture(scope="session")
def data(train_images, train_labels):
    """3,000 training and 1,000 validation images."""
    return SearchData(
        train_images=train_images[:3000],
        train_labels=train_labels[:3000],
        validation_images=train_images[5000:],
        validation_labels=train_labels[5000:],
    )
