"""Explain a model: select images, compute SHAP values, test and plot them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.explain.attribution import attribute
from fmnist_lib.explain.figures import explanation_pictures
from fmnist_lib.explain.result import Explanation
from fmnist_lib.explain.scoring import Explained, score_maps
from fmnist_lib.explain.selection import select_images
from fmnist_lib.explain.trust import judge

if TYPE_CHECKING:
    from fmnist_lib.config.training import ExplainConfig

#: Images scored to find correct and wrong predictions; more would only cost time.
_POOL_ROWS = 2000


def explain(  # noqa: PLR0917 (a model, what to explain, and how)
    model: Any,
    images: np.ndarray,
    labels: np.ndarray,
    background_images: np.ndarray,
    config: ExplainConfig,
    seed: int,
    *,
    probabilities: np.ndarray | None = None,
) -> Explanation:
    """Explain the model's predictions by SHAP values, and test the explanation.

    Parameters
    ----------
    model : fitted Pipeline
        Accepts uint8 images of shape (n, 28, 28); ``predict_proba`` has ten columns.
    images : ndarray of shape (n, 28, 28), uint8
        Images the model was not fitted on. At most 2,000 random ones are scored to find correct
        and wrong predictions.
    labels : ndarray of shape (n,)
    background_images : ndarray of shape (n_background, 28, 28), uint8
        Training images. ``config.background_rows`` random ones stand for "pixel unknown"; the
        test of shuffled labels fits the last step again on at most 2,000.
    config : ExplainConfig
    seed : int
    probabilities : ndarray of shape (n, 10), optional
        The model's outputs for `images`, if they are known; they are then not scored again.

    Raises
    ------
    DataError
        Numbers of images and labels differ, there are too few, or the model does not have ten
        classes.
    """
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    # Masked images are scored in small batches: thread synchronisation dominates, and on a busy
    # machine more threads take up to twenty times as long as one.
    with threadpool_limits(1):
        explanation = _explain(
            model, images, labels, background_images, config, seed=seed, known=probabilities
        )
    pictures = explanation_pictures(explanation)
    return replace(explanation, pictures=pictures, seconds=time.perf_counter() - started)


def _explain(
    model: Any,
    images: np.ndarray,
    labels: np.ndarray,
    background_images: np.ndarray,
    config: ExplainConfig,
    *,
    seed: int,
    known: np.ndarray | None,
) -> Explanation:
    """Compute the explanation without its pictures."""
    from fmnist_lib.features.images import as_images

    rng = np.random.default_rng(seed)
    images, labels = as_images(images), np.asarray(labels)
    _check(model, images, labels)
    pool = _random_rows(len(images), _POOL_ROWS, rng)
    images, labels = images[pool], labels[pool]
    probabilities = model.predict_proba(images) if known is None else known[pool]
    predictions = probabilities.argmax(axis=1)
    rows = select_images(labels, predictions, config.images_per_class, seed)
    train_images = as_images(background_images)
    background = train_images[_random_rows(len(train_images), config.background_rows, rng)]
    attribution = attribute(model, images[rows], background, config.evaluations)
    explained = Explained(images[rows], labels[rows], predictions[rows], attribution)
    scores = score_maps(model, explained, background, train_images, config.evaluations, seed=seed)
    return Explanation(
        images=images[rows],
        labels=labels[rows],
        predictions=predictions[rows],
        probabilities=probabilities[rows],
        shap_values=attribution.shap_values,
        base_values=attribution.base_values,
        explainer=attribution.explainer,
        reason=attribution.reason,
        additivity_error=attribution.additivity_error,
        additivity_bound=attribution.additivity_bound,
        importance=np.abs(attribution.shap_values).mean(axis=0).transpose(2, 0, 1),
        scores=scores,
        trust=judge(scores, attribution),
        background_rows=len(background),
        pictures=(),
        seconds=0.0,
    )


def _random_rows(total: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(total)[:wanted]


def _check(model: Any, images: np.ndarray, labels: np.ndarray) -> None:
    if labels.shape != (len(images),) or len(images) < N_CLASSES:
        raise DataError(
            f"explain: expected ten or more images and a label for each, got {len(images)} images "
            f"and labels of shape {labels.shape}. Pass matching rows of one split."
        )
    columns = model.predict_proba(images[:1]).shape[1]
    if columns != N_CLASSES:
        raise DataError(
            f"explain: expected a model with {N_CLASSES} classes, got {columns}. "
            "Fit it on images of every class."
        )
