"""The named features measure what their names describe."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.features.named import FEATURES, named_features


def blank():
    return np.zeros((1, 28, 28), dtype=np.uint8)


def measured(image):
    return named_features(image).iloc[0]


def test_a_column_for_every_described_feature(train_images):
    frame = named_features(train_images)
    assert list(frame.columns) == list(FEATURES)
    assert len(frame) == len(train_images)
    assert set(map(str, frame.dtypes)) == {"float32"}
    assert np.isfinite(frame.to_numpy()).all()
    assert (frame.nunique() > 10).all()


def test_ink_agrees_with_numpy_across_chunks(train_images):
    frame = named_features(train_images[:1300])
    pixels = train_images[:1300].reshape(1300, -1)
    np.testing.assert_allclose(frame["mean_ink"], pixels.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(frame["ink_spread"], pixels.std(axis=1), rtol=1e-4)
    np.testing.assert_allclose(frame["blank_share"], (pixels == 0).mean(axis=1), rtol=1e-5)


def test_a_bright_rectangle():
    image = blank()
    image[0, 2:22, 10:18] = 255
    row = measured(image)
    assert (row["box_top"], row["box_left"]) == (2, 10)
    assert (row["box_height"], row["box_width"]) == (20, 8)
    assert row["aspect_ratio"] == 2.5
    assert (row["centre_x"], row["centre_y"]) == (13.5, 11.5)
    assert row["left_right_symmetry"] == 1
    assert row["top_bottom_symmetry"] == pytest.approx(0.8)
    assert row["saturated_share"] == pytest.approx(160 / 784)
    assert row["waist_width"] == 8
    assert row["pieces_per_row"] == 1
    assert row["gap_share"] == 0
    assert row["top_ink"] + row["middle_ink"] + row["bottom_ink"] == pytest.approx(1)
    assert row["top_ink"] == pytest.approx(7 / 20)
    p = 160 / 784
    assert row["grey_entropy"] == pytest.approx(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def test_two_legs_are_two_pieces_with_a_gap():
    image = blank()
    image[0, 4:24, 8:11] = image[0, 4:24, 15:18] = 180
    row = measured(image)
    assert row["pieces_per_row"] == 2
    assert row["gap_share"] == pytest.approx(20 * 4 / 784)


def test_stripes_turn_with_the_image():
    image = blank()
    image[0, ::4] = 200
    lying, standing = measured(image), measured(image.transpose(0, 2, 1))
    assert lying["vertical_edges"] == standing["horizontal_edges"] == 0
    assert lying["horizontal_edges"] == standing["vertical_edges"] > 50


def test_faint_noise_does_not_move_the_garment_box():
    image = blank()
    image[0, 5:20, 6:20] = 150
    expected = measured(image)["box_top"]
    image[0, 0, 0] = 3
    assert measured(image)["box_top"] == expected == 5


def test_an_empty_image_and_an_empty_batch_are_finite():
    row = measured(blank())
    assert np.isfinite(row).all()
    assert row["blank_share"] == 1
    assert row["centre_x"] == 13.5
    assert row["box_width"] == row["grey_entropy"] == 0
    assert named_features(np.zeros((0, 28, 28), dtype=np.uint8)).shape == (0, len(FEATURES))


def test_flattened_images_are_accepted_and_other_shapes_refused(train_images):
    flat = named_features(train_images[:5].reshape(5, -1))
    np.testing.assert_array_equal(flat, named_features(train_images[:5]))
    with pytest.raises(DataError, match=r"expected shape \(n, 28, 28\)"):
        named_features(train_images[0, :14])


def test_features_separate_the_classes(train_images, train_labels):
    means = named_features(train_images).groupby(train_labels).mean()
    assert means["aspect_ratio"].idxmax() == 1  # trousers are the tallest
    assert means["pieces_per_row"].idxmax() == 5  # sandals have straps
    assert means["mean_ink"].idxmin() == 5
    assert means["top_ink"].idxmin() == 7  # sneakers are low


def test_seventy_thousand_images_take_seconds(train_images):
    start = time.process_time()
    named_features(train_images)
    assert (time.process_time() - start) * 70_000 / len(train_images) < 15
