"""The model as MLflow's servers load it: no pickle, strict input checks.

MLflow calls `_load_pyfunc`; `mlflow_model.write_mlflow_model` writes this module's name into the
model's description.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError, FmnistError, ModelError
from fmnist_lib.features.images import as_images
from fmnist_lib.model_files.predictor import check_level, predictions
from fmnist_lib.model_files.stored_model import load_model
from fmnist_lib.serving.request_table import as_table

if TYPE_CHECKING:
    import pandas as pd

    from fmnist_lib.model_files.stored_model import LoadedModel

#: Most images per request: a few seconds of work.
MAX_IMAGES = 5000


class ServedModel:
    """A model behind a scoring server.

    Parameters
    ----------
    model : LoadedModel
    level : float in (0, 1), optional
        Coverage of the prediction sets in every response; a request may name another.

    Raises
    ------
    ModelError
        A level is given, and the model has no calibration of prediction sets.
    """

    def __init__(self, model: LoadedModel, level: float | None = None) -> None:
        if level is not None:
            check_level(model, level)
        self.model = model
        self.level = level

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict images; see `fmnist_lib.model_files.predictor.predictions`.

        Parameters
        ----------
        model_input : array-like, frame, or dict of str to array-like
            See `request_images`.
        params : dict, optional
            ``{"sets": level}`` adds prediction sets.

        Raises
        ------
        MlflowException
            With the status 400: the input is not 1 to `MAX_IMAGES` images, or the level is not
            within (0, 1), or the model has no calibration of prediction sets.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

        try:
            images = request_images(model_input)
            level = self._level(params or {})
        except (DataError, ModelError) as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        try:
            table = predictions(self.model, images, level)
        except FmnistError as error:
            raise MlflowException(str(error), error_code=INTERNAL_ERROR) from None
        # As text: a response holds the category's name, not its code.
        return table.astype({"class": "int64", "label": "object"})

    def _level(self, params: dict[str, Any]) -> float | None:
        """Return the level of a request's prediction sets; None without any."""
        level = params.get("sets")
        if level is None:
            return self.level
        if isinstance(level, bool) or not isinstance(level, int | float):
            raise DataError(f"sets: expected a number between 0 and 1, got {level!r:.40}.")
        # A warning per request would fill the log.
        check_level(self.model, level, warn=False)
        return float(level)


def request_images(model_input: Any) -> np.ndarray:
    """Return the images of a request as uint8 of shape (n, 28, 28).

    Parameters
    ----------
    model_input : array-like, frame, or dict of str to array-like
        Images, or columns of pixels, which are aligned by their names. A dict with one entry, such
        as ``{"images": [...]}``, names the images.

    Raises
    ------
    DataError
        It is not between 1 and `MAX_IMAGES` images, a pixel is no whole number within 0..255, or
        the names of the columns do not say which column is which pixel.
    """
    table = as_table(model_input)
    if isinstance(table, np.ndarray) and table.dtype == object:
        table = _numbers(table)
    if np.ndim(table) and not 0 < len(table) <= MAX_IMAGES:
        refuse_count(len(table))
    return as_images(table)


def refuse_count(n_images: int) -> None:
    """Raise DataError for a number of images that a request may not have."""
    raise DataError(
        f"images: expected 1 to {MAX_IMAGES} in one request, got {n_images}. "
        "Send more in several requests, or use `python -m fmnist_lib predict`."
    )


def _numbers(array: np.ndarray) -> np.ndarray:
    """Turn nested lists, as JSON gives them, into one array of numbers."""
    try:
        numbers = np.array(array.tolist())
    except (ValueError, OverflowError) as error:
        raise DataError(f"images: expected rows of equal length, got: {error}.") from None
    # A list of numbers and text becomes an array of text, which `as_images` rejects.
    return numbers


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ServedModel:
    """Load the model for MLflow.

    Parameters
    ----------
    path : str
        Directory of the model's files.
    model_config : dict, optional
        ``{"allow_cloudpickle": True}`` to load a model in that format.
    """
    allowed = bool((model_config or {}).get("allow_cloudpickle"))
    return ServedModel(load_model(Path(path), allow_cloudpickle=allowed))
