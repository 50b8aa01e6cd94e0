from typing import get_args

import numpy as np
import pytest

from fmnist_lib.config import ShiftName
from fmnist_lib.drift.shifts import SHIFTS, apply_shift


@pytest.fixture(scope="module")
def images(test_images):
    return test_images[:500]


@pytest.fixture(scope="module")
def classes(test_labels):
    return test_labels[:500]


def test_every_shift_that_can_be_configured_exists():
    assert set(SHIFTS) == set(get_args(ShiftName))


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_a_shift_gives_other_uint8_images_and_leaves_its_input_alone(images, classes, name):
    before = images.copy()
    shifted = apply_shift(name, images, classes, seed=0)
    assert shifted.dtype == np.uint8
    assert shifted.shape[1:] == (28, 28)
    assert (images == before).all()
    assert shifted.shape != images.shape or (shifted != images).any()


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_severity_zero_changes_nothing(images, classes, name):
    assert (apply_shift(name, images, classes, seed=0, severity=0) == images).all()


@pytest.mark.parametrize("name", ["gaussian_noise", "class_knockout"])
def test_random_shifts_repeat_with_their_seed(images, classes, name):
    first, again, other = (apply_shift(name, images, classes, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_noise_has_the_standard_deviation_asked_for():
    grey = np.full((200, 28, 28), 128, dtype=np.uint8)
    noise = apply_shift("gaussian_noise", grey, np.zeros(200), 0, severity=20) - 128.0
    assert noise.std() == pytest.approx(20, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)


def test_noise_does_not_wrap_around_black_and_white():
    halves = np.zeros((50, 28, 28), dtype=np.uint8)
    halves[:, 14:] = 255
    noisy = apply_shift("gaussian_noise", halves, np.zeros(50), 0, severity=30)
    assert noisy[:, :14].max() < 200
    assert noisy[:, 14:].min() > 55


def test_a_quarter_turn_is_numpys(images, classes):
    turned = apply_shift("rotation", images, classes, seed=0, severity=90)
    expected = np.rot90(images, axes=(1, 2)).astype(int)
    assert np.abs(turned.astype(int) - expected).max() <= 1


def test_translation_moves_every_column(images, classes):
    moved = apply_shift("translation", images, classes, seed=0, severity=3)
    assert (moved[:, :, 3:] == images[:, :, :-3]).all()
    assert not moved[:, :, :3].any()


def test_translation_beyond_the_edge_leaves_black(images, classes):
    assert not apply_shift("translation", images, classes, seed=0, severity=40).any()


def test_darker_takes_its_share_of_the_brightness(images, classes):
    dimmed = apply_shift("darker", images, classes, seed=0, severity=0.4)
    assert np.abs(dimmed - 0.6 * images).max() <= 0.5 + 1e-9


def test_knockout_removes_its_share_of_one_class_only(images, classes):
    rest = apply_shift("class_knockout", images, classes, seed=0, severity=0.5)
    removed = round(0.5 * int((classes == 0).sum()))
    assert len(rest) == len(images) - removed
    kept = {image.tobytes() for image in rest}
    assert all(image.tobytes() in kept for image in images[classes != 0])
