from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.config.stress import StressConfig
from fmnist_lib.evaluation.behaviour import (
    behaviour_tests,
    scaled,
    shifted_by,
    with_filled_gaps,
    without_sleeves,
    without_upper_half,
)

CONFIG = StressConfig(images_per_class=10)


def run(predict, images, labels, **changes):
    usual = {"sample": np.arange(50), "typical": np.arange(20), "confidence": 0.95} | changes
    return {one.name: one for one in behaviour_tests(predict, images, labels, CONFIG, **usual)}


def constant(images):
    return np.tile(np.eye(10)[0], (len(images), 1))


def test_a_constant_predictor_is_invariant_and_moves_in_no_direction(test_images, test_labels):
    found = run(constant, test_images, test_labels)
    kinds = {one.kind for one in found.values()}
    assert kinds == {"invariance", "direction", "minimum function"}
    for one in found.values():
        assert one.rate.low < 1
        if one.kind == "invariance":
            assert one.n_passed == one.n_images == 50
        if one.kind == "direction":
            assert one.n_passed == 0
            assert one.failed
    assert found["unmistakable images"].failed
    assert not found["an all-black and an all-white image"].failed


def test_a_model_that_reads_one_pixel_fails_invariance(test_images, test_labels):
    def predict(images):
        return np.eye(10)[images[:, 14, 14] % 10]

    found = run(predict, test_images, test_labels)
    assert found["one pixel up"].failed
    assert found["mirrored"].failed


def test_a_model_that_sees_the_gap_passes_the_test_of_trousers(test_images, test_labels):
    def predict(images):
        gap = (images[:, 14:, 13:15] < 16).mean(axis=(1, 2))
        found = np.zeros((len(images), 10))
        found[:, 1], found[:, 3] = gap, 1 - gap
        return found

    one = run(predict, test_images, test_labels)["gap between trouser legs filled"]
    assert one.n_images > 5
    assert one.n_passed / one.n_images > 0.8


def test_a_class_without_images_is_not_judged(test_images, test_labels):
    rows = test_labels != 1
    found = run(constant, test_images[rows], test_labels[rows])
    one = found["gap between trouser legs filled"]
    assert (one.n_images, one.rate, one.failed) == (0, None, False)


@pytest.mark.parametrize("bad", ["raises", "nan"])
def test_a_model_that_fails_on_a_blank_image_is_told(test_images, test_labels, bad):
    def predict(images):
        found = constant(images)
        if images.max() == 0 and bad == "raises":
            raise ZeroDivisionError
        found[images.max(axis=(1, 2)) == 0] = np.nan
        return found

    one = run(predict, test_images, test_labels)["an all-black and an all-white image"]
    assert one.failed
    assert one.n_passed == 1


def test_the_changes_do_what_they_say():
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 4:24, 6:12] = image[0, 4:24, 16:22] = 200
    assert with_filled_gaps(image)[0, 10, 6:22].tolist() == [200] * 16
    assert without_sleeves(image)[0].any(axis=0).nonzero()[0].tolist() == [
        8,
        9,
        10,
        11,
        *range(16, 20),
    ]
    assert without_upper_half(image)[0].any(axis=1).nonzero()[0].tolist() == list(range(14, 24))
    assert shifted_by(image, -1, 0)[0].any(axis=1).nonzero()[0].tolist() == list(range(3, 23))
    assert scaled(image, 1.5).max() == 255
    blank = np.zeros_like(image)
    for change in (with_filled_gaps, without_sleeves, without_upper_half):
        assert not change(blank).any()
