"""What the explanation of a champion holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from fmnist_lib.explain.attribution import ExplainerName, OutputName
    from fmnist_lib.explain.deletion import DeletionTest
    from fmnist_lib.plotting import Picture


@dataclass(frozen=True)
class Explanation:
    """SHAP values of some images, and how far they can be trusted.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Ordered by class.
    labels, predictions : ndarray of shape (n,)
    probabilities : ndarray of shape (n, 10)
    shap_values : ndarray of shape (n, 28, 28, 10), float32
        Effect of every pixel on every class output.
    base_values : ndarray of shape (10,)
        The output when no pixel is known.
    explainer : str
        Class of ``shap`` that made the values.
    reason : str
        Why this one.
    output : {"probability", "log-odds"}
        Unit of the values.
    additivity_error, additivity_bound : float
        Largest difference between base + sum of values and the champion's own output, and the
        largest that rounding explains.
    importance : ndarray of shape (10, 28, 28)
        Mean absolute SHAP value of every class output over all explained images.
    deletion : DeletionTest
        Whether hiding important pixels matters more than hiding others.
    background_rows : int
        Images that stand for "pixel unknown".
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
        """Whether the values add up to the champion's output."""
        return self.additivity_error <= self.additivity_bound

    @property
    def n_mistakes(self) -> int:
        """Explained images that the champion gets wrong."""
        return int((self.labels != self.predictions).sum())
