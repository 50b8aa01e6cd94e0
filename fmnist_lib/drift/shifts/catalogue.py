"""Simulated shifts of a batch of images, each with a name, a kind and a severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.drift.shifts import classes as shift_classes
from fmnist_lib.drift.shifts import geometry as shift_geometry
from fmnist_lib.drift.shifts import pixels as shift_pixels
from fmnist_lib.drift.shifts.adversarial import adversarial

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.config.drift import ShiftName

    Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

_CHOSEN = CLASS_NAMES[shift_classes.CHOSEN]
_SMALL = shift_geometry.ImageShift(10, 0.05, 0.1, 0.1)
_MEDIUM = shift_geometry.ImageShift(40, 0.2, 0.2, 0.2, flip_horizontally=True)
_LARGE = shift_geometry.ImageShift(90, 0.4, 0.3, 0.4, flip_horizontally=True, flip_vertically=True)


@dataclass(frozen=True)
class Shift:
    """A simulated shift.

    Attributes
    ----------
    kind : str
        Category: "noise", "geometry", "intensity", "class mix", ...
    severity : float
        Default strength; 0 changes nothing.
    text : str
        Description, a format string with ``{severity}`` or ``{percent}``.
    change : callable, optional
        ``(images, severity, rng) -> images`` of the same number; changes pixels.
    select : callable, optional
        ``(classes, severity, rng) -> rows``; changes the mix of classes.
    attack : callable, optional
        ``(images, classes, severity, rng) -> images``; changes pixels, given the classes.
    """

    kind: str
    severity: float
    text: str
    change: Change | None = None
    select: Change | None = None
    attack: Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray] | None = None

    @property
    def changes_pixels(self) -> bool:
        """False if the shift only changes which images occur."""
        return self.change is not None or self.attack is not None

    def describe(self, severity: float) -> str:
        """Return the description at this severity."""
        return self.text.format(severity=severity, percent=percent(severity, 0))


@dataclass(frozen=True, eq=False)
class Shifted:
    """A batch after a shift.

    Attributes
    ----------
    images : ndarray of shape (at most n, 28, 28), uint8
    rows : ndarray of int
        Index of each image in the input: some may have been dropped.
    """

    images: np.ndarray
    rows: np.ndarray


SHIFTS: dict[ShiftName, Shift] = {
    "noise_small": Shift(
        "noise", 1.0, "noise, standard deviation {severity:g} of 255", shift_pixels.gaussian_noise
    ),
    "gaussian_noise": Shift(
        "noise", 10.0, "noise, standard deviation {severity:g} of 255", shift_pixels.gaussian_noise
    ),
    "noise_large": Shift(
        "noise", 100.0, "noise, standard deviation {severity:g} of 255", shift_pixels.gaussian_noise
    ),
    "salt_and_pepper": Shift(
        "noise", 0.1, "{percent} of pixels black or white", shift_pixels.salt_and_pepper
    ),
    "rotation": Shift("geometry", 5.0, "turned by {severity:g} degrees", shift_geometry.rotation),
    "translation": Shift(
        "geometry", 1.0, "moved {severity:g} px to the right", shift_geometry.translation
    ),
    "image_small": Shift("geometry", 1.0, "small image shift x {severity:g}", _SMALL),
    "image_medium": Shift("geometry", 1.0, "medium image shift x {severity:g}", _MEDIUM),
    "image_large": Shift("geometry", 1.0, "large image shift x {severity:g}", _LARGE),
    "darker": Shift("intensity", 0.1, "{percent} darker", shift_pixels.darker),
    "brighter": Shift("intensity", 0.3, "{percent} brighter", shift_pixels.brighter),
    "low_contrast": Shift(
        "intensity", 0.4, "{percent} of the contrast lost", shift_pixels.low_contrast
    ),
    "inverted": Shift("intensity", 1.0, "colours inverted x {severity:g}", shift_pixels.inverted),
    "blur": Shift("blur", 1.0, "blurred, {severity:g} px", shift_pixels.blur),
    "occlusion": Shift(
        "occlusion", 10.0, "a square of {severity:g} px covered", shift_pixels.occlusion
    ),
    "adversarial": Shift(
        "adversarial",
        16.0,
        "adversarial to a linear model, {severity:g} of 255",
        attack=adversarial,
    ),
    "class_knockout": Shift(
        "class mix",
        1.0,
        f"{{percent}} of {_CHOSEN} missing",
        select=shift_classes.knock_out,
    ),
    "label_shift": Shift(
        "class mix", 1.0, "random class shares x {severity:g}", select=shift_classes.label_shift
    ),
    "image_medium_knockout": Shift(
        "geometry and class mix",
        1.0,
        f"medium image shift and no {_CHOSEN} x {{severity:g}}",
        _MEDIUM,
        shift_classes.knock_out,
    ),
    "image_medium_one_class": Shift(
        "geometry and class mix",
        1.0,
        f"medium image shift and only {_CHOSEN} x {{severity:g}}",
        _MEDIUM,
        shift_classes.only_one_class,
    ),
}


def simulate(
    name: ShiftName,
    images: np.ndarray,
    classes: np.ndarray,
    seed: int,
    severity: float | None = None,
) -> Shifted:
    """Shift a batch of images.

    Parameters
    ----------
    name : str
        A key of `SHIFTS`.
    images : ndarray of shape (n, 28, 28), uint8
    classes : ndarray of shape (n,)
        True or predicted classes.
    seed : int
    severity : float, optional
        Strength in the unit of the shift; absent: its default.

    References
    ----------
    Rabanser, Günnemann, Lipton, "Failing Loudly", NeurIPS 2019.
    """
    shift = SHIFTS[name]
    rng = np.random.default_rng(seed)
    strength = shift.severity if severity is None else severity
    rows = np.arange(len(images))
    if shift.select is not None:
        rows = shift.select(classes, strength, rng)
    shifted = np.ascontiguousarray(images[rows])
    if shift.change is not None:
        shifted[:] = shift.change(shifted, strength, rng)
    if shift.attack is not None:
        shifted[:] = shift.attack(shifted, classes[rows], strength, rng)
    return Shifted(shifted, rows)
