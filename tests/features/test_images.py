from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.features.images import as_images


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 784)])
def test_all_ways_to_write_the_same_pixels_are_the_same_images(test_images, dtype, shape):
    images = as_images(test_images[:5].astype(dtype).reshape(shape))
    assert images.dtype == np.uint8
    assert np.array_equal(images, test_images[:5])


def test_uint8_images_are_not_copied(test_images):
    assert np.shares_memory(as_images(test_images), test_images)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (np.zeros((28, 28)), r"expected shape \(n, 28, 28\) or \(n, 784\), got \(28, 28\)"),
        (np.zeros((2, 783)), "expected shape"),
        (np.full((1, 784), np.nan), "within 0..255, got NaN"),
        (np.full((1, 784), np.inf), "within 0..255"),
        (np.full((1, 784), 256), "within 0..255, got 256"),
        (np.full((1, 784), -1), "within 0..255, got -1"),
        (np.full((1, 784), 0.5), "as if divided by 255"),
        (np.full((1, 784), 1.5), "got fractions"),
        (np.full((1, 784), "a"), "expected numbers"),
    ],
)
def test_invalid_images_are_refused(bad, expected):
    with pytest.raises(DataError, match=expected):
        as_images(bad)


@pytest.mark.parametrize("dtype", [[("a", "u1")], [("a", "u1", (2, 2))]])
def test_a_structured_array_that_is_no_table_is_refused(dtype):
    with pytest.raises(DataError, match="one row of named numbers per image"):
        as_images(np.zeros((3, 28, 28), dtype=dtype))
    with pytest.raises(DataError):
        as_images(np.zeros(3, dtype=dtype))
