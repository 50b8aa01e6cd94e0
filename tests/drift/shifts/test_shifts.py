from typing import get_args

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from fmnist_lib.config.drift import ShiftName
from fmnist_lib.drift.shifts.catalogue import SHIFTS, simulate
from fmnist_lib.drift.shifts.geometry import ImageShift


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
    shifted = simulate(name, images, classes, seed=0).images
    assert shifted.dtype == np.uint8
    assert shifted.shape[1:] == (28, 28)
    assert (images == before).all()
    assert shifted.shape != images.shape or (shifted != images).any()


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_severity_zero_changes_nothing(images, classes, name):
    assert (simulate(name, images, classes, seed=0, severity=0).images == images).all()


RANDOM = sorted(set(SHIFTS) - {"rotation", "translation", "darker", "brighter", "low_contrast"})
RANDOM = [name for name in RANDOM if name not in {"inverted", "blur", "adversarial"}]
CLASS_MIX = ["class_knockout", "label_shift", "image_medium_knockout", "image_medium_one_class"]


@pytest.mark.parametrize("name", [name for name in RANDOM if name != "class_knockout"])
def test_random_shifts_repeat_with_their_seed(images, classes, name):
    first, again, other = (simulate(name, images, classes, seed=seed).images for seed in (0, 0, 1))
    assert (first == again).all()
    assert first.shape != other.shape or (first != other).any()


@pytest.mark.parametrize("name", sorted(set(SHIFTS) - set(CLASS_MIX)))
def test_nearly_every_image_is_changed(images, classes, name):
    shifted = simulate(name, images, classes, seed=0)
    assert (shifted.rows == np.arange(len(images))).all()
    changed = (shifted.images != images).any(axis=(1, 2))
    # Some images are unchanged by a shift, e.g. a black square over black pixels.
    assert changed.mean() > 0.8


@pytest.mark.parametrize("name", ["class_knockout", "image_medium_knockout"])
def test_a_fraction_of_the_class_is_knocked_out(images, classes, name):
    rows = simulate(name, images, classes, seed=0, severity=0.5).rows
    before, after = (np.bincount(one, minlength=10) for one in (classes, classes[rows]))
    assert after[0] == before[0] - round(0.5 * before[0])
    assert (after[1:] == before[1:]).all()


def test_only_one_class_is_left(images, classes):
    rows = simulate("image_medium_one_class", images, classes, seed=0).rows
    assert set(classes[rows]) == {0}
    assert len(rows) == (classes == 0).sum()


def test_label_shift_changes_shares_and_no_image(images, classes):
    shifted = simulate("label_shift", images, classes, seed=0)
    assert (shifted.images == images[shifted.rows]).all()
    shares = np.bincount(classes[shifted.rows], minlength=10) / len(shifted.rows)
    assert shares.max() > 0.2


@pytest.mark.parametrize("name", ["image_small", "image_medium", "image_large"])
def test_image_shifts_move_without_losing_all(images, classes, name):
    moved = simulate(name, images, classes, seed=0).images
    assert moved.mean() == pytest.approx(images.mean(), rel=0.5)
    assert not (moved == images).all(axis=(1, 2)).any()


def test_larger_image_shifts_change_more(images, classes):
    changes = [
        np.abs(simulate(f"image_{size}", images, classes, 0).images.astype(int) - images).mean()
        for size in ("small", "medium", "large")
    ]
    assert changes == sorted(changes)


def test_an_image_shift_by_a_known_map_is_that_map(images):
    mirrored = ImageShift(0, 0, 0, 0, flip_horizontally=True)
    found = mirrored(images[:40], 2.0, np.random.default_rng(0))  # 2: every image is flipped
    assert (found == images[:40, :, ::-1]).all()


def test_inverting_swaps_black_and_white(images, classes):
    assert (simulate("inverted", images, classes, 0).images == 255 - images).all()


def test_salt_and_pepper_takes_its_share_of_the_pixels():
    grey = np.full((200, 28, 28), 128, dtype=np.uint8)
    spotted = simulate("salt_and_pepper", grey, np.zeros(200), 0, severity=0.2).images
    shares = [(spotted == level).mean() for level in (0, 255)]
    assert shares == pytest.approx([0.1, 0.1], abs=0.01)


def test_occlusion_covers_one_square():
    white = np.full((50, 28, 28), 255, dtype=np.uint8)
    covered = simulate("occlusion", white, np.zeros(50), 0, severity=7).images == 0
    assert (covered.sum(axis=(1, 2)) == 49).all()
    assert (covered.any(axis=1).sum(axis=1) == 7).all()


def test_adversarial_images_fool_a_linear_model_more_than_noise_does(images, classes):
    model = RidgeClassifier(alpha=1e3).fit(images.reshape(500, -1) / 255, classes)
    attacked = simulate("adversarial", images, classes, 0).images
    noisy = simulate("gaussian_noise", images, classes, 0, severity=16).images
    accuracy = [model.score(one.reshape(500, -1) / 255, classes) for one in (attacked, noisy)]
    assert accuracy[0] < accuracy[1] - 0.1
    assert np.abs(attacked.astype(int) - images).max() <= 16


def test_noise_has_the_standard_deviation_asked_for():
    grey = np.full((200, 28, 28), 128, dtype=np.uint8)
    noise = simulate("gaussian_noise", grey, np.zeros(200), 0, severity=20).images - 128.0
    assert noise.std() == pytest.approx(20, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)


def test_noise_does_not_wrap_around_black_and_white():
    halves = np.zeros((50, 28, 28), dtype=np.uint8)
    halves[:, 14:] = 255
    noisy = simulate("gaussian_noise", halves, np.zeros(50), 0, severity=30).images
    assert noisy[:, :14].max() < 200
    assert noisy[:, 14:].min() > 55


def test_a_quarter_turn_is_numpys(images, classes):
    turned = simulate("rotation", images, classes, seed=0, severity=90).images
    expected = np.rot90(images, axes=(1, 2)).astype(int)
    assert np.abs(turned.astype(int) - expected).max() <= 1


def test_translation_moves_every_column(images, classes):
    moved = simulate("translation", images, classes, seed=0, severity=3).images
    assert (moved[:, :, 3:] == images[:, :, :-3]).all()
    assert not moved[:, :, :3].any()


def test_translation_beyond_the_edge_leaves_black(images, classes):
    assert not simulate("translation", images, classes, seed=0, severity=40).images.any()


def test_darker_takes_its_share_of_the_brightness(images, classes):
    dimmed = simulate("darker", images, classes, seed=0, severity=0.4).images
    assert np.abs(dimmed - 0.6 * images).max() <= 0.5 + 1e-9


def test_knockout_removes_its_share_of_one_class_only(images, classes):
    rest = simulate("class_knockout", images, classes, seed=0, severity=0.5).images
    removed = round(0.5 * int((classes == 0).sum()))
    assert len(rest) == len(images) - removed
    kept = {image.tobytes() for image in rest}
    assert all(image.tobytes() in kept for image in images[classes != 0])
