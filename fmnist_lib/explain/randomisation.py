"""Randomisation tests: maps must depend on what the model learned, and on the class explained."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.explain.affine import flat_steps
from fmnist_lib.explain.attribution import values_of_class
from fmnist_lib.explain.similarity import Agreement, rank_correlation

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

#: Training images of the model fitted on shuffled labels.
_ROWS = 2000


@dataclass(frozen=True)
class Randomisation:
    """Agreement of the maps with maps that mean something else.

    Attributes
    ----------
    shuffled_labels : Agreement or None
        With the maps of the same pipeline whose last step was fitted on shuffled labels.
    not_fitted : str
        Reason why there is no such model; empty if there is.
    other_class : Agreement
        With the maps of the same image for another class, drawn at random.
    """

    shuffled_labels: Agreement | None
    not_fitted: str
    other_class: Agreement


def randomisation(
    model: Any,
    explain: Callable[[Any], np.ndarray],
    shap_values: np.ndarray,
    predictions: np.ndarray,
    train_images: np.ndarray,
    *,
    seed: int,
) -> Randomisation:
    """Compare the maps of the predicted class with those of a model of noise, and of a class.

    Parameters
    ----------
    model : fitted estimator
    explain : callable
        Model to its SHAP values, shape as `shap_values`.
    shap_values : ndarray of shape (n, 28, 28, 10)
    predictions : ndarray of shape (n,)
    train_images : ndarray of shape (n_train, 28, 28), uint8
        The model of shuffled labels is fitted on at most 2,000 of them.
    seed : int

    References
    ----------
    Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018 (data randomisation test);
    Sixt, Granz and Landgraf, "When Explanations Lie", ICML 2020 (random logit test); Binder et
    al., "Shortcomings of Top-Down Randomization-Based Sanity Checks for Evaluations of Deep Neural
    Network Explanations", CVPR 2023 (a small rank correlation is no proof of a good map).
    """
    rng = np.random.default_rng(seed)
    maps = values_of_class(shap_values, predictions)
    others = (predictions + rng.integers(1, N_CLASSES, len(predictions))) % N_CLASSES
    other_class = rank_correlation(maps, values_of_class(shap_values, others))
    noise, reason = fit_shuffled(model, train_images, rng)
    if noise is None:
        return Randomisation(None, reason, other_class)
    of_noise = values_of_class(explain(noise), predictions)
    return Randomisation(rank_correlation(maps, of_noise), "", other_class)


def fit_shuffled(
    model: Any, train_images: np.ndarray, rng: np.random.Generator
) -> tuple[Any | None, str]:
    """Return the model with its last step fitted on random labels, or None and the reason.

    Equally many images get each label: with balanced classes these are shuffled labels.
    """
    from sklearn.base import clone
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import make_pipeline

    *transformers, classifier = flat_steps(model)
    if isinstance(classifier, VotingClassifier):
        return None, "a refit of every member of the ensemble takes too long"
    rows = rng.permutation(len(train_images))[:_ROWS]
    labels = rng.permutation(np.arange(len(rows)) % N_CLASSES)
    try:
        features = train_images[rows]
        for transformer in transformers:
            features = transformer.transform(features)
        noise = clone(classifier).fit(features, labels)
    except (TypeError, ValueError) as error:
        logger.warning("no model of shuffled labels: %s", error)
        return None, f"the last step could not be refitted ({type(error).__name__})"
    return make_pipeline(*transformers, noise), ""
