"""Predictions as a table: class, probability, confidence, out-of-distribution flag, sets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from fmnist_lib.common.conformal import ConformalCalibration
    from fmnist_lib.model_files.stored_model import LoadedModel

logger = logging.getLogger(__name__)

COLUMNS = ("class", "label", "probability", "confidence", "unlike_training")
#: Columns of prediction sets, where they are asked for.
SET_COLUMNS = ("set", "set_size")
_SEPARATOR = "; "


def check_level(model: LoadedModel, level: float, *, warn: bool = True) -> None:
    """Check that a model gives prediction sets at a level.

    Parameters
    ----------
    model : LoadedModel
    level : float in (0, 1)
    warn : bool, default=True
        Log a warning if a class has too few calibration images for the level.

    Raises
    ------
    ModelError
        The model has no such calibration.
    DataError
        The level is not within (0, 1).
    """
    message = _calibration(model).describe_out_of_reach(level)
    if message and warn:
        logger.warning("%s", message)


def predictions(model: LoadedModel, images: Any, level: float | None = None) -> pd.DataFrame:
    """Return the predictions of images as a table.

    Parameters
    ----------
    model : LoadedModel
    images : array-like of shape (n, 28, 28) or (n, 784)
        Integers in 0..255.
    level : float in (0, 1), optional
        Coverage of prediction sets; they are left out by default.

    Returns
    -------
    DataFrame
        ``class`` (0-9), ``label`` (its name), ``probability`` (the highest, as the model predicts
        it), ``confidence`` (accuracy on held-out images of similar probability) and
        ``unlike_training`` (out-of-distribution flag). The last two are missing for a model
        without a reference. With a level also ``set`` (names of the classes in the prediction
        set, the most probable first, separated by "; "; empty if no class is probable enough) and
        ``set_size``.

    Raises
    ------
    DataError
        Images of another shape, values outside 0..255, or a level outside (0, 1).
    ModelError
        The model does not return ten finite probabilities per image, or has no calibration of
        prediction sets.
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
        table = table.drop(columns=["confidence", "unlike_training"])
    else:
        table["confidence"] = model.reference.confidence(highest)
        table["unlike_training"] = model.reference.is_out_of_distribution(images)
    if level is not None:
        sets = _calibration(model).sets(probabilities, level)
        table["set"] = _names(sets, probabilities)
        table["set_size"] = sets.sum(axis=1)
    return table


def _calibration(model: LoadedModel) -> ConformalCalibration:
    if model.conformal is None:
        raise ModelError(
            "model: expected a calibration of prediction sets, found none: the model was published "
            "without out-of-fold probabilities. Ask for no sets, or use a version with them."
        )
    return model.conformal


def _names(sets: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> list[str]:
    """Return the class names of every set, the most probable first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        _SEPARATOR.join(CLASS_NAMES[label] for label in ranked if has[label])
        for ranked, has in zip(order, sets, strict=True)
    ]
