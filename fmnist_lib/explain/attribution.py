"""SHAP values of images, by the explainer that suits the model type."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fmnist_lib.common.formatting import capitalised
from fmnist_lib.common.labels import IMAGE_SHAPE, N_CLASSES, N_PIXELS
from fmnist_lib.explain.affine import AffineMap, front_and_classifier, probe_affine
from fmnist_lib.explain.owen import log_odds, owen_values, predict_chunks
from fmnist_lib.explain.uncompiled import uncompiled_shap

logger = logging.getLogger(__name__)

ExplainerName = Literal["LinearExplainer", "Owen values"]

#: Bound of the additivity error, relative to the largest output (at least 1).
_ADDITIVITY_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Attribution:
    """SHAP values, with the outputs they must add up to.

    Attributes
    ----------
    shap_values : ndarray of shape (n, 28, 28, 10), float32
    base_values : ndarray of shape (10,)
        Expected output when all pixels are hidden.
    outputs : ndarray of shape (n, 10)
        The explained output of the model: log-odds.
    explainer : str
    reason : str
        Why this explainer was chosen.
    """

    shap_values: np.ndarray
    base_values: np.ndarray
    outputs: np.ndarray
    explainer: ExplainerName
    reason: str

    @property
    def additivity_error(self) -> float:
        """Largest difference between base + sum of SHAP values and the model's output."""
        sums = self.base_values + self.shap_values.sum(axis=(1, 2), dtype=np.float64)
        return float(np.abs(sums - self.outputs).max())

    @property
    def additivity_bound(self) -> float:
        """Largest `additivity_error` attributable to rounding."""
        return _ADDITIVITY_TOLERANCE * max(1.0, float(np.abs(self.outputs).max()))

    @property
    def is_additive(self) -> bool:
        """True if the values add up to the model's output."""
        return self.additivity_error <= self.additivity_bound


def attribute(
    model: Any, images: np.ndarray, background: np.ndarray, evaluations: int
) -> Attribution:
    """Explain every class output for every image.

    A linear classifier behind affine steps gets ``shap.LinearExplainer`` on the composed
    coefficients, everything else Owen values by masking image regions. Exact values that do not
    add up to the model's output are not used. Trees are behind features that mix pixels, for which
    ``shap.TreeExplainer`` has no values of pixels.

    Parameters
    ----------
    model : fitted Pipeline
        Accepts uint8 images; has ``predict_proba``.
    images, background : ndarray of shape (n, 28, 28), uint8
    evaluations : int
        Masked images scored per explained image; Owen values only.

    References
    ----------
    Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
    """
    front, classifier = front_and_classifier(model)
    why = f"{type(classifier).__name__} is not linear"
    exact = None
    if _is_linear(classifier):
        affine, why = probe_affine(front, background)
        if affine is not None:
            exact, why = _linear(model, classifier, images, background, affine=affine, finding=why)
    if exact is not None:
        if exact.is_additive:
            return exact
        why = f"the values of {exact.explainer} did not add up to the model's output"
        logger.warning("%s (error %.2g)", why, exact.additivity_error)
    return _masking(model, why, images, background, evaluations)


def _is_linear(classifier: Any) -> bool:
    shape = np.shape(getattr(classifier, "coef_", ()))
    return hasattr(classifier, "decision_function") and shape[:1] == (N_CLASSES,)


def _linear(
    model: Any,
    classifier: Any,
    images: np.ndarray,
    background: np.ndarray,
    *,
    affine: AffineMap,
    finding: str,
) -> tuple[Attribution | None, str]:
    """Exact SHAP values of log-odds, or None; and the reason."""
    from scipy.special import softmax

    # Check on the background too: for confident predictions any link function resembles a softmax.
    both = np.concatenate([images, background])
    outputs = model.decision_function(both)
    if not np.allclose(softmax(outputs, axis=1), model.predict_proba(both), atol=1e-3):
        return None, (
            f"the probabilities of {type(classifier).__name__} are not the softmax of its "
            "linear outputs, which are therefore no log-odds"
        )
    # A linear classifier after affine steps is one linear model of the pixels.
    coefficients = (affine.matrix @ classifier.coef_.T).T
    intercept = affine.offset @ classifier.coef_.T + classifier.intercept_
    values, base_values = _linear_values(coefficients, intercept, images, background)
    exact = Attribution(
        shap_values=values,
        base_values=base_values,
        outputs=outputs[: len(images)],
        explainer="LinearExplainer",
        reason=f"{type(classifier).__name__} is linear, and {finding}.",
    )
    return exact, finding


def _linear_values(
    coefficients: np.ndarray, intercept: np.ndarray, images: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """SHAP values and base values of a linear model of the pixels."""
    pixels = background.reshape(-1, N_PIXELS).astype(np.float64)
    with uncompiled_shap():
        import shap

        # The default masker would silently keep 100 rows of the background.
        masker = shap.maskers.Independent(pixels, max_samples=len(pixels))
        explainer = shap.LinearExplainer((coefficients, intercept), masker)
        values = explainer.shap_values(images.reshape(-1, N_PIXELS).astype(np.float64))
    return _as_images(values), np.asarray(explainer.expected_value, dtype=np.float64)


def _masking(
    model: Any, why: str, images: np.ndarray, background: np.ndarray, evaluations: int
) -> Attribution:
    """Owen values over a hierarchy of image regions: hidden pixels take the mean background."""

    def predict(masked: np.ndarray) -> np.ndarray:
        # Where the model is certain, hiding one region barely changes the probability.
        return log_odds(model.predict_proba(masked))

    values, base_values = owen_values(predict, images, mean_image(background), evaluations)
    return Attribution(
        shap_values=_as_images(values),
        base_values=base_values,
        outputs=predict_chunks(predict, images),
        explainer="Owen values",
        reason=f"{capitalised(why)}. Therefore image regions are masked, split down to "
        f"single pixels where important, with {evaluations} model evaluations per image.",
    )


def mean_image(images: np.ndarray) -> np.ndarray:
    """Mean of uint8 images, rounded back to uint8: the value of hidden pixels."""
    return np.rint(images.mean(axis=0)).astype(np.uint8)


def values_of_class(shap_values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """SHAP values of one class for each image: (n, 28, 28, 10) and (n,) to (n, 28, 28)."""
    return shap_values[np.arange(len(classes)), :, :, classes]


def _as_images(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).reshape(-1, *IMAGE_SHAPE, N_CLASSES)
