"""Predictions as a table: class, probability, confidence, and out-of-distribution flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    import pandas as pd

    from fmnist_lib.model_files.stored_model import LoadedModel

COLUMNS = ("class", "label", "probability", "confidence", "unlike_training")


def predictions(model: LoadedModel, images: Any) -> pd.DataFrame:
    """Return the predictions of images as a table.

    Parameters
    ----------
    model : LoadedModel
    images : array-like of shape (n, 28, 28) or (n, 784)
        Integers in 0..255.

    Returns
    -------
    DataFrame
        ``class`` (0-9), ``label`` (its name), ``probability`` (the highest, uncalibrated),
        ``confidence`` (accuracy on held-out images of similar probability) and
        ``unlike_training`` (out-of-distribution flag). The last two are missing for a model
        without a reference.

    Raises
    ------
    DataError
        Images of another shape, or values outside 0..255.
    ModelError
        The model does not return ten finite probabilities per image.
    """
    import pandas as pd

    images = as_images(images)
    probabilities = np.asarray(model.pipeline.predict_proba(images))
    if probabilities.shape != (len(images), N_CLASSES) or not np.isfinite(probabilities).all():
        raise ModelError(
            f"model: expected {N_CLASSES} finite probabilities for each of {len(images)} images, "
            f"got shape {probabilities.shape}. Use another version of the model."
        )
    classes = probabilities.argmax(axis=1).astype(np.uint8)
    highest = probabilities.max(axis=1).astype(np.float64)
    table = pd.DataFrame(
        {
            "class": classes,
            "label": pd.Categorical.from_codes(classes, categories=list(CLASS_NAMES)),
            "probability": highest,
            "confidence": np.nan,
            "unlike_training": False,
        }
    )
    if model.reference is None:
        return table.drop(columns=["confidence", "unlike_training"])
    table["confidence"] = model.reference.confidence(highest)
    table["unlike_training"] = model.reference.is_out_of_distribution(images)
    return table
