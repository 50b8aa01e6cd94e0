"""Result type of an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.explain.attribution import ExplainerName
    from fmnist_lib.explain.faithfulness import Faithfulness
    from fmnist_lib.explain.randomisation import Randomisation
    from fmnist_lib.explain.robustness import Robustness

Level = Literal["yes", "with care", "no"]


@dataclass(frozen=True)
class Scores:
    """Tests of the maps of the predicted class.

    Attributes
    ----------
    faithfulness : Faithfulness
    robustness : Robustness
    randomisation : Randomisation
    gini : float or None
        Gini index of the absolute values; None if all are zero.
    zero_maps : int
        Maps without any effect.
    n_retested : int
        Images on which robustness and randomisation are tested.
    """

    faithfulness: Faithfulness
    robustness: Robustness
    randomisation: Randomisation
    gini: float | None
    zero_maps: int
    n_retested: int


@dataclass(frozen=True)
class Check:
    """One score, and what it is held to.

    Attributes
    ----------
    family : str
        The property tested, by the names of the field.
    name, value, threshold : str
    passed : bool or None
        None: not tested, for the reason in `value`.
    failure : str
        Clause that says what a failure means.
    is_decisive : bool
        True if no map can be trusted after a failure.
    """

    family: str
    name: str
    value: str
    threshold: str
    passed: bool | None
    failure: str
    is_decisive: bool = False


@dataclass(frozen=True)
class Trust:
    """Verdict on the maps of an explanation.

    Attributes
    ----------
    level : {"yes", "with care", "no"}
    reasons : tuple of str
        Clauses: what failed or was not tested.
    checks : tuple of Check
    """

    level: Level
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def sentence(self) -> str:
        """Return the verdict and its reasons."""
        passed = sum(one.passed is True for one in self.checks)
        if not self.reasons:
            return f"Trust these maps: yes, because they passed all {passed} checks"
        shown = "; ".join(self.reasons[:3])
        more = f"; and {len(self.reasons) - 3} more" if self.reasons[3:] else ""
        return f"Trust these maps: {self.level}, because {shown}{more}"


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
        Class of ``shap`` that computed the values, or "Owen values".
    reason : str
        Why this explainer was chosen.
    additivity_error, additivity_bound : float
        Largest difference between base + sum of values and the model's output, and the largest
        attributable to rounding.
    importance : ndarray of shape (10, 28, 28)
        Mean absolute SHAP value of every class output over all explained images.
    scores : Scores
        Results of the tests of the maps.
    trust : Trust
        The scores held to thresholds, see `fmnist_lib.explain.trust.judge`.
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
    additivity_error: float
    additivity_bound: float
    importance: np.ndarray
    scores: Scores
    trust: Trust
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
