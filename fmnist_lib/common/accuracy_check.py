"""The accuracy looked at in another way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmnist_lib.common.statistics import Estimate


@dataclass(frozen=True)
class AccuracyCheck:
    """Accuracy of the winner on other images than all test images.

    Attributes
    ----------
    name : str
        Which images.
    accuracy : Estimate
    n_images : int
    n_left_out : int
        Test images that are not among them.
    meaning : str
        What a difference from the test accuracy says.
    """

    name: str
    accuracy: Estimate
    n_images: int
    n_left_out: int
    meaning: str
