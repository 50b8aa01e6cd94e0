"""Histograms of oriented gradients, compared with the formula."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.features.gradients import OrientedGradients


def drawn_images():
    """Return a frame, a soft disc and a texture: axis-aligned edges, all directions, noise."""
    row, column = np.mgrid[:28, :28]
    frame = np.where((abs(row - 14) < 9) & (abs(column - 12) < 6), 200, 0)
    ball = np.maximum(250 - (row - 12) ** 2 - (column - 15) ** 2, 0)
    texture = (17 * row**2 + 31 * row * column + 7 * column) % 256
    return np.stack([frame, ball, texture]).astype(np.uint8)


def test_columns_follow_the_formula():
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


def test_an_edge_falls_into_the_bin_of_its_direction():
    transformer = OrientedGradients(cells=4, orientations=8)
    for image, expected in ((edge(), 0), (edge()[:, :, ::-1], 4)):
        ink = transformer.fit_transform(image).reshape(-1, 8).sum(axis=0)
        assert ink[expected] > 0
        np.testing.assert_allclose(np.delete(ink, expected), 0, atol=1e-6)


def test_bins_without_a_mirror_image_are_refused():
    with pytest.raises(ValueError, match="even number of orientations, got 9"):
        OrientedGradients(orientations=9).mirror_columns()
