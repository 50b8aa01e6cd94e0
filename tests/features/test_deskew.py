"""Deskewing makes the principal axis upright and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fmnist_lib.data.synthetic import generate
from fmnist_lib.features.deskew import Deskew


def slant(image):
    """Return the slant of the ink (covariance over variance of its rows) and its mean row."""
    ink = image.astype(np.float64) / image.sum(dtype=np.float64)
    row, column = np.mgrid[:28, :28]
    row_mean, column_mean = (ink * row).sum(), (ink * column).sum()
    variance = (ink * (row - row_mean) ** 2).sum()
    return (ink * (row - row_mean) * (column - column_mean)).sum() / variance, row_mean


def leaning_bar(lean):
    image = np.zeros((28, 28), np.uint8)
    for row in range(4, 24):
        start = round(12 + lean * (row - 13.5))
        image[row, start : start + 4] = 200
    return image


@pytest.mark.parametrize("lean", [-0.6, -0.3, 0.25, 0.5])
def test_a_slanted_bar_becomes_upright(lean):
    image = leaning_bar(lean)
    upright = Deskew().fit_transform(image[None])
    assert upright.dtype == np.uint8
    assert upright.shape == (1, 28, 28)
    assert abs(slant(image)[0]) > 0.2
    assert abs(slant(upright[0])[0]) < 0.01
    occupied = np.flatnonzero((upright[0] > 100).any(axis=0))
    assert np.ptp(occupied) < 6


def test_an_affine_transformation_image_by_image_gives_the_same():
    images = generate(100, seed=0)[0]
    for image, upright in zip(images, Deskew().fit_transform(images), strict=True):
        lean, centre = slant(image)
        expected = ndimage.affine_transform(
            image.astype(np.float64),
            [[1, 0], [lean, 1]],
            offset=[0, -lean * centre],
            order=1,
            mode="grid-constant",
        )
        # Rounding to integers changes a value by at most one half.
        np.testing.assert_allclose(upright, expected, atol=0.501)


def test_each_row_keeps_its_ink_where_none_leaves_the_image():
    image = leaning_bar(0.5)
    upright = Deskew().fit_transform(image[None])[0]
    np.testing.assert_allclose(upright.sum(axis=1), image.sum(axis=1), atol=4)


def test_images_without_a_slant_stay_as_they_are():
    blank = np.zeros((28, 28), np.uint8)
    one_row, one_pixel, full = blank.copy(), blank.copy(), np.full_like(blank, 255)
    one_row[20, 3:9] = 77
    one_pixel[0, 27] = 1
    images = np.stack([blank, one_row, one_pixel, full, leaning_bar(0)])
    np.testing.assert_array_equal(Deskew().fit_transform(images), images)


def test_an_extreme_slant_shifts_ink_out_without_wrapping():
    image = np.zeros((28, 28), np.uint8)
    image[13, :14] = image[14, 14:] = 255
    upright = Deskew().fit_transform(image[None])[0]
    assert upright.sum(dtype=np.int64) <= image.sum(dtype=np.int64)
    # The two halves end up above each other.
    assert abs(upright[13] @ np.arange(28.0) - upright[14] @ np.arange(28.0)) < 255
