"""Histograms of oriented gradients: against the formula, and against scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fmnist_lib.features.gradients import OrientedGradients

#: Output of scikit-image 0.26.0 for `drawn_images`, see `by_scikit_image`.
STORED = Path(__file__).with_name("scikit_image_hog.npz")


def drawn_images():
    """Return a frame, a soft disc and a texture: axis-aligned edges, all directions, noise."""
    row, column = np.mgrid[:28, :28]
    frame = np.where((abs(row - 14) < 9) & (abs(column - 12) < 6), 200, 0)
    ball = np.maximum(250 - (row - 12) ** 2 - (column - 15) ** 2, 0)
    texture = (17 * row**2 + 31 * row * column + 7 * column) % 256
    return np.stack([frame, ball, texture]).astype(np.uint8)


def by_scikit_image(images, hog):
    return np.array(
        [
            hog(image, orientations=9, pixels_per_cell=(4, 4), cells_per_block=(2, 2))
            for image in images
        ]
    )


def like_scikit_image():
    return OrientedGradients(7, 9, signed=False, interpolate=False)


def test_the_stored_columns_of_scikit_image():
    with np.load(STORED) as stored:
        expected = stored["columns"]
    columns = like_scikit_image().fit_transform(drawn_images())
    assert columns.shape == expected.shape == (3, 1296)
    np.testing.assert_allclose(columns, expected, rtol=0, atol=1e-5)


def test_the_columns_of_scikit_image_on_garments_and_noise(train_images):
    feature = pytest.importorskip("skimage.feature")
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    images = np.concatenate([train_images[:200], noise])
    expected = by_scikit_image(images, feature.hog)
    np.testing.assert_allclose(
        like_scikit_image().fit_transform(images), expected, rtol=0, atol=1e-5
    )


def test_every_possible_gradient_falls_into_its_bin():
    """Check bin borders too: rounding must not move a gradient across."""
    down, right = np.mgrid[-255:256, -255:256].astype(np.float32)
    degrees = np.rad2deg(np.arctan2(down.astype(np.float64), right)) % 180
    bins = like_scikit_image()._positions(down, right) % 9
    np.testing.assert_array_equal(bins, np.searchsorted(np.arange(9) * 20, degrees, "right") - 1)


def test_interpolated_columns_follow_the_formula():
    """Compare with a pixel-by-pixel computation for the upper left block."""
    cells, orientations, width = 7, 8, 4
    image = drawn_images()[2]
    histograms = np.zeros((2, 2, orientations))
    for row in range(28):
        for column in range(28):
            down = float(image[row + 1, column]) - image[row - 1, column] if 0 < row < 27 else 0
            right = float(image[row, column + 1]) - image[row, column - 1] if 0 < column < 27 else 0
            position = np.arctan2(down, right) / (2 * np.pi) * orientations % orientations
            low = int(position) % orientations
            for i, j in np.ndindex(2, 2):
                near_row = max(1 - abs(row + 0.5 - (i + 0.5) * width) / width, 0)
                near_column = max(1 - abs(column + 0.5 - (j + 0.5) * width) / width, 0)
                weight = np.hypot(down, right) * near_row * near_column
                histograms[i, j, low] += weight * (1 - position % 1)
                histograms[i, j, (low + 1) % orientations] += weight * (position % 1)
    block = histograms.ravel() / np.linalg.norm(histograms)
    block = np.minimum(block, 0.2)
    block /= np.linalg.norm(block)
    columns = OrientedGradients(cells, orientations).fit_transform(image[None])
    np.testing.assert_allclose(columns[0, : 4 * orientations], block, rtol=1e-4, atol=1e-5)


def test_scales_are_concatenated_in_the_order_given():
    images = drawn_images()
    several = OrientedGradients(cells=(4, 9, 7)).fit_transform(images)
    one_by_one = [OrientedGradients(cells=cells).fit_transform(images) for cells in (4, 9, 7)]
    np.testing.assert_allclose(several, np.concatenate(one_by_one, axis=1), rtol=0, atol=1e-5)


def test_gradients_are_invariant_to_overall_brightness(test_images):
    """Halving the pixels changes nothing, because blocks are normalised."""
    even = test_images[:50] // 2 * 2
    bright = OrientedGradients().fit_transform(even)
    dark = OrientedGradients().fit_transform(even // 2)
    np.testing.assert_allclose(bright, dark, atol=1e-4)


def edge():
    image = np.zeros((1, 28, 28), np.uint8)
    image[:, :, 14:] = 200
    return image


@pytest.mark.parametrize(("signed", "other_side"), [(True, 4), (False, 0)])
def test_an_edge_falls_into_the_bin_of_its_direction(signed, other_side):
    transformer = OrientedGradients(cells=4, orientations=8, signed=signed)
    for image, expected in ((edge(), 0), (edge()[:, :, ::-1], other_side)):
        ink = transformer.fit_transform(image).reshape(-1, 8).sum(axis=0)
        assert ink[expected] > 0
        np.testing.assert_allclose(np.delete(ink, expected), 0, atol=1e-6)


@pytest.mark.parametrize(
    "transformer",
    [OrientedGradients(orientations=9), OrientedGradients(signed=False, interpolate=False)],
    ids=str,
)
def test_bins_without_a_mirror_image_are_refused(transformer):
    with pytest.raises(ValueError, match="even number of signed orientations, got"):
        transformer.mirror_columns()
