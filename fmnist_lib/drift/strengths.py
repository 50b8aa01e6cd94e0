"""Accuracy of models under simulated shifts of rising strength."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.statistics import Estimate, paired_difference, t_interval, wilson
from fmnist_lib.drift.shifts.catalogue import SHIFTS, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fmnist_lib.config.drift import PixelShift
    from fmnist_lib.config.stress import StressConfig

    Predict = Callable[[np.ndarray], np.ndarray]

#: Five strengths per shift, in its unit: from hardly visible to images that are hard for a person.
STRENGTHS: dict[PixelShift, tuple[float, ...]] = {
    "gaussian_noise": (5, 10, 20, 40, 70),
    "salt_and_pepper": (0.01, 0.02, 0.05, 0.1, 0.2),
    "rotation": (5, 10, 15, 20, 30),
    "translation": (1, 2, 3, 4, 6),
    "image_small": (0.5, 1, 1.5, 2, 3),
    "image_medium": (0.2, 0.4, 0.6, 0.8, 1),
    "image_large": (0.2, 0.4, 0.6, 0.8, 1),
    "darker": (0.1, 0.3, 0.5, 0.7, 0.9),
    "brighter": (0.3, 0.6, 1, 1.5, 2),
    "low_contrast": (0.1, 0.2, 0.4, 0.6, 0.8),
    "inverted": (0.2, 0.4, 0.6, 0.8, 1),
    "blur": (0.5, 1, 1.5, 2, 3),
    "occlusion": (4, 8, 12, 16, 20),
    "adversarial": (4, 8, 16, 24, 32),
}


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy at one strength of a shift, or on average at one level.

    Attributes
    ----------
    level : int
        0 (unshifted) to 5.
    description : str
    accuracy : tuple of Estimate
        One per model.
    difference : Estimate or None
        Accuracy of the first model minus that of the second, on the same images.
    """

    level: int
    description: str
    accuracy: tuple[Estimate, ...]
    difference: Estimate | None


@dataclass(frozen=True)
class ShiftCurve:
    """Accuracy against the strength of a shift.

    Attributes
    ----------
    name : str
    points : tuple of CurvePoint
        Unshifted images first, then five strengths.
    lost : Estimate
        Accuracy that the first model loses, averaged over the strengths; t interval over images.
    breaks_at : CurvePoint or None
        Weakest strength from which on the first model is significantly worse than unshifted;
        None if it never is.
    """

    name: str
    points: tuple[CurvePoint, ...]
    lost: Estimate
    breaks_at: CurvePoint | None


@dataclass(frozen=True)
class Robustness:
    """Accuracy of models under shifts.

    Attributes
    ----------
    models : tuple of str
        The winner, and the second-best candidate if there is one.
    n_images : int
    curves : tuple of ShiftCurve
        The one that costs the first model most comes first.
    average : tuple of CurvePoint
        Averages over the shifts, by level. Every image has a share of correct predictions; the
        intervals are Wilson's for this number of images, which is conservative.
    difference : Estimate or None
        Accuracy of the first model minus that of the second, averaged over all shifts and
        strengths; t interval over images.
    """

    models: tuple[str, ...]
    n_images: int
    curves: tuple[ShiftCurve, ...]
    average: tuple[CurvePoint, ...]
    difference: Estimate | None


def measure_robustness(
    models: Mapping[str, Predict],
    images: np.ndarray,
    labels: np.ndarray,
    config: StressConfig,
    *,
    confidence: float,
    seed: int,
) -> Robustness:
    """Measure the accuracy of one or two models under each configured shift at five strengths.

    Parameters
    ----------
    models : mapping of str to callable
        One or two; each takes uint8 images (n, 28, 28) and returns probabilities (n, 10).
    images : ndarray of shape (n, 28, 28), uint8
        Images that no model was fitted on. Every model sees the same shifted images.
    labels : ndarray of int, shape (n,)
    config : StressConfig
    confidence : float in (0, 1)
    seed : int

    References
    ----------
    Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations", ICLR 2019: five levels of severity, and their average.
    """
    plain = _correct(models, images, labels)
    # Shape: shifts, unshifted and five strengths, models, images.
    correct = np.stack(
        [
            np.concatenate([plain[None], _shifted(models, name, images, labels, seed)])
            for name in config.shifts
        ]
    )
    curves = [
        _curve(name, one, confidence) for name, one in zip(config.shifts, correct, strict=True)
    ]
    shifted = correct[:, 1:].mean(axis=(0, 1))
    return Robustness(
        models=tuple(models),
        n_images=len(labels),
        curves=tuple(sorted(curves, key=lambda curve: -curve.lost.value)),
        average=tuple(
            _average(level, correct[:, level].mean(axis=0), confidence)
            for level in range(correct.shape[1])
        ),
        difference=t_interval(shifted[0] - shifted[1], confidence) if len(models) > 1 else None,
    )


def _shifted(
    models: Mapping[str, Predict],
    name: PixelShift,
    images: np.ndarray,
    labels: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return correctness under every strength, shape (n_strengths, n_models, n_images)."""
    strengths = STRENGTHS[name]
    # In one batch: a kernel takes up to twice the time per image in small ones.
    batch = np.concatenate([simulate(name, images, labels, seed, one).images for one in strengths])
    correct = _correct(models, batch, np.tile(labels, len(strengths)))
    return correct.reshape(len(models), len(strengths), len(labels)).swapaxes(0, 1)


def _correct(models: Mapping[str, Predict], images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.stack([predict(images).argmax(axis=1) == labels for predict in models.values()])


def _curve(name: PixelShift, correct: np.ndarray, confidence: float) -> ShiftCurve:
    strengths = (0.0, *STRENGTHS[name])
    points = [
        _point(level, SHIFTS[name].describe(strength) if level else "unshifted", one, confidence)
        for level, (strength, one) in enumerate(zip(strengths, correct, strict=True))
    ]
    first = correct[:, 0]
    by_level = [paired_difference(first[0], one, confidence) for one in first]
    # At every strength above the last one without a shown loss, there is one.
    harmless = max(level for level, one in enumerate(by_level) if one.low <= 0)
    breaks_at = points[harmless + 1] if harmless + 1 < len(points) else None
    lost = t_interval(first[0] - first[1:].mean(axis=0), confidence)
    return ShiftCurve(name, tuple(points), lost, breaks_at)


def _point(level: int, description: str, correct: np.ndarray, confidence: float) -> CurvePoint:
    n = correct.shape[1]
    return CurvePoint(
        level,
        description,
        tuple(wilson(int(one.sum()), n, confidence) for one in correct),
        paired_difference(correct[0], correct[1], confidence) if len(correct) > 1 else None,
    )


def _average(level: int, shares: np.ndarray, confidence: float) -> CurvePoint:
    """Return the average of shares of correct predictions, shape (n_models, n_images)."""
    n = shares.shape[1]
    estimates = tuple(
        replace(wilson(round(float(one.sum())), n, confidence), value=float(one.mean()))
        for one in shares
    )
    difference = t_interval(shares[0] - shares[1], confidence) if len(shares) > 1 else None
    text = f"strength {level} of 5" if level else "unshifted"
    return CurvePoint(level, text, estimates, difference)
