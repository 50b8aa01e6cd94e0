"""Quality of prediction sets on test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.common.labels import CLASS_NAMES

if TYPE_CHECKING:
    from fmnist_lib.common.statistics import Estimate


@dataclass(frozen=True)
class ClassSets:
    """Prediction sets of the test images of one class, at one level.

    Attributes
    ----------
    label : int
    n_images, n_calibration : int
        Test images, and calibration images, of the class.
    threshold : float in [0, 1]
        Lowest probability with which the class is in a set.
    out_of_reach : bool
        There are too few calibration images for the level, so every set has the class.
    coverage : Estimate or None
        Share of the test images whose set has their label, with Wilson's interval; None without
        test images.
    mean_size : float or None
        Classes per set.
    """

    label: int
    n_images: int
    n_calibration: int
    threshold: float
    out_of_reach: bool
    coverage: Estimate | None
    mean_size: float | None

    @property
    def name(self) -> str:
        """Name of the class."""
        return CLASS_NAMES[self.label]


@dataclass(frozen=True)
class LevelSets:
    """Prediction sets of the test images at one level.

    Attributes
    ----------
    level : float in (0, 1)
        Coverage that was asked for.
    coverage : Estimate
        Share of the test images whose set has their label, with Wilson's interval.
    mean_size : float
        Classes per set.
    sizes : tuple of int, length 11
        Test images with sets of 0, 1, ... 10 classes.
    single : Estimate
        Share of the sets with exactly one class.
    single_accuracy : Estimate or None
        Accuracy on images with such sets; None if there are none.
    classes : tuple of ClassSets
        In label order.
    """

    level: float
    coverage: Estimate
    mean_size: float
    sizes: tuple[int, ...]
    single: Estimate
    single_accuracy: Estimate | None
    classes: tuple[ClassSets, ...]

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """Names of the classes that are in every set, for lack of calibration images."""
        return tuple(one.name for one in self.classes if one.out_of_reach)


@dataclass(frozen=True)
class Answered:
    """Accuracy when only the most confident predictions are accepted.

    Attributes
    ----------
    share : float in (0, 1]
        Accepted predictions, of all.
    n_images : int
        Accepted predictions.
    lowest : float
        The lowest probability of an accepted prediction.
    accuracy : Estimate
        Of the accepted predictions, with Wilson's interval.
    """

    share: float
    n_images: int
    lowest: float
    accuracy: Estimate


@dataclass(frozen=True)
class PredictionSets:
    """Prediction sets calibrated on out-of-fold probabilities, evaluated on test images.

    Attributes
    ----------
    n_calibration, n_images : int
        Calibration images and test images.
    levels : tuple of LevelSets
        Ascending.
    abstention : tuple of Answered
        From few accepted predictions to all.
    """

    n_calibration: int
    n_images: int
    levels: tuple[LevelSets, ...]
    abstention: tuple[Answered, ...]

    def as_metrics(self) -> dict[str, float]:
        """Return coverage, mean size and share of single-class sets as a flat dict."""
        return {
            f"sets_{100 * one.level:g}_{key}": value
            for one in self.levels
            for key, value in (
                ("coverage", one.coverage.value),
                ("mean_size", one.mean_size),
                ("single", one.single.value),
            )
        }
