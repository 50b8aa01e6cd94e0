"""Result type of an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.explain.attribution import ExplainerName, OutputName
    from fmnist_lib.explain.deletion import DeletionTest


@dataclass(frozen=True)
class Explanation:
    """SHAP values of a sample of images, with checks of their validity.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Ordered by class.
    labels, predictions : ndarray of shape (n,)
    probabilities : ndarray of shape (n, 10)
    shap_values : ndarray of shape (n, 28, 28, 10), float32
        Effect of every pixel on every class output.
    base_values : ndarray of shape (10,)
        Expected output when all pixels are hidden.
    explainer : str
        Class of ``shap`` that computed the values.
    reason : str
        Why this explainer was chosen.
    output : {"probability", "log-odds"}
        Unit of the values.
    additivity_error, additivity_bound : float
        Largest difference between base + sum of values and the model's output, and the largest
        attributable to rounding.
    importance : ndarray of shape (10, 28, 28)
        Mean absolute SHAP value of every class output over all explained images.
    deletion : DeletionTest
        Test whether hiding important pixels lowers the probability more than hiding others.
    background_rows : int
        Background images, whose mean replaces hidden pixels.
    pictures : tuple of Picture
    seconds : float
        Wall time.
    """

    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray
    shap_values: np.ndarray
    base_values: np.ndarray
    explainer: ExplainerName
    reason: str
    output: OutputName
    additivity_error: float
    additivity_bound: float
    importance: np.ndarray
    deletion: DeletionTest
    background_rows: int
    pictures: tuple[Picture, ...]
    seconds: float

    @property
    def is_additive(self) -> bool:
        """True if the values add up to the model's output."""
        return self.additivity_error <= self.additivity_bound

    @property
    def n_mistakes(self) -> int:
        """Number of explained images that are misclassified."""
        return int((self.labels != self.predictions).sum())
