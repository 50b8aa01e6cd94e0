from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from fmnist_lib.config.drift import PixelShift
from fmnist_lib.config.stress import StressConfig
from fmnist_lib.drift.shifts.catalogue import SHIFTS
from fmnist_lib.drift.strengths import STRENGTHS, measure_robustness

CONFIG = StressConfig(shifts=("darker", "occlusion"))


@pytest.fixture(scope="module")
def sample(test_images, test_labels):
    return test_images[:60], test_labels[:60]


def constant(images):
    return np.tile(np.eye(10)[0], (len(images), 1))


def remembering(images, labels):
    """Return a model that is right on images it has seen, and predicts class 0 on all others."""
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    return lambda batch: np.eye(10)[[known.get(image.tobytes(), 0) for image in batch]]


def measure(models, sample, config=CONFIG):
    return measure_robustness(models, *sample, config, confidence=0.95, seed=0)


def test_every_shift_of_the_settings_has_five_rising_strengths_and_changes_pixels():
    for name in get_args(PixelShift):
        assert len(STRENGTHS[name]) == 5
        assert list(STRENGTHS[name]) == sorted(STRENGTHS[name])
        assert SHIFTS[name].changes_pixels


def test_a_model_that_shifts_break_is_found_out_at_the_first_strength(sample):
    found = measure({"winner": remembering(*sample), "second": constant}, sample)
    assert found.models == ("winner", "second")
    worst = found.curves[0]
    assert worst.points[0].accuracy[0].value == 1
    assert worst.breaks_at is not None
    assert worst.breaks_at.level == 1
    assert worst.lost.low > 0.5
    assert found.average[0].difference.value > 0.5
    assert found.difference.value < found.average[0].difference.value
    assert [curve.lost.value for curve in found.curves] == sorted(
        (curve.lost.value for curve in found.curves), reverse=True
    )


def test_a_constant_predictor_loses_nothing(sample):
    found = measure({"constant": constant}, sample)
    assert all(curve.breaks_at is None for curve in found.curves)
    assert all(curve.lost.value == 0 for curve in found.curves)
    assert found.difference is None
    assert len({point.accuracy[0].value for point in found.average}) == 1


def test_every_shift_can_be_measured(sample):
    config = StressConfig(shifts=get_args(PixelShift))
    found = measure({"constant": constant}, sample, config)
    assert len(found.curves) == len(get_args(PixelShift))
    assert (
        "degrees" in {curve.name: curve for curve in found.curves}["rotation"].points[1].description
    )


def test_a_shift_of_the_class_mix_is_refused_because_it_changes_no_image():
    with pytest.raises(ValidationError, match="gaussian_noise"):
        StressConfig(shifts=("class_knockout",))
