"""Write a stored model as an MLflow model, readable without this checkout."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import ModelError
from fmnist_lib.model_files.stored_model import WITHIN_MLFLOW

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmnist_lib.model_files.stored_model import SavedModel

PACKAGE = Path(__file__).resolve().parents[1]
LOADER = "fmnist_lib.serving.pyfunc"
_REQUIRED = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "threadpoolctl")
#: Distributions of the packages that steps of a pipeline may come from.
_OPTIONAL = ("lightgbm", "tpot", "xgboost")


def write_mlflow_model(
    model: SavedModel, pipeline: Any, images: NDArray[np.uint8], directory: Path
) -> SavedModel:
    """Write an MLflow model directory, without contacting a server.

    Parameters
    ----------
    model : SavedModel
        As `fmnist_lib.model_files.stored_model.save_model` wrote it.
    pipeline : estimator
        The same model, to find the libraries it needs.
    images : ndarray of uint8, shape (n, 28, 28)
        The first two become the input example.
    directory : Path
        Must not exist yet.

    Returns
    -------
    SavedModel
        The same model within the new directory.

    Raises
    ------
    ModelError
        MLflow could not write it.
    """
    import mlflow
    import mlflow.pyfunc

    with tempfile.TemporaryDirectory() as name:
        # The directory's name is kept in the MLflow model.
        files = Path(name) / WITHIN_MLFLOW.name
        shutil.copytree(model.directory, files)
        try:
            mlflow.pyfunc.save_model(
                str(directory),
                loader_module=LOADER,
                data_path=str(files),
                code_paths=[str(PACKAGE)],
                signature=signature(),
                input_example=images[:2],
                # Named, because MLflow otherwise finds them by loading the model in a subprocess.
                pip_requirements=_requirements(pipeline, model.format),
                metadata={
                    "input": "uint8 images (n, 28, 28) or (n, 784), values 0 to 255, or a frame "
                    "of columns pixel1 to pixel784"
                },
            )
        except (mlflow.MlflowException, OSError) as error:
            raise ModelError(
                f"winner: expected MLflow to write it to {directory}, got: {error}. "
                "Free some space, then resume the run."
            ) from error
    file = directory / WITHIN_MLFLOW / model.file.name
    return replace(model, directory=directory, file=file)


def signature() -> Any:
    """Return the signature: any input, the level of prediction sets, a table as output.

    No input is declared. MLflow would drop the column names of a frame, convert fractions, text
    and NaN before the model gets them, and can declare only one shape of a tensor. So
    `pyfunc.request_images` checks the input.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    columns = {
        "class": "long",
        "label": "string",
        "probability": "double",
        "confidence": "double",
        "unlike_training": "boolean",
    }
    return ModelSignature(
        outputs=Schema([ColSpec(kind, name) for name, kind in columns.items()]),
        params=ParamSchema([ParamSpec("sets", "double", None)]),
    )


def _requirements(pipeline: Any, model_format: str) -> list[str]:
    """Return the packages that loading and predicting import, pinned to the installed versions."""
    names = [*_REQUIRED, model_format, *sorted(_packages(pipeline) & set(_OPTIONAL))]
    pins = []
    for name in names:
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pins


def _packages(pipeline: Any) -> set[str]:
    """Return the packages of a pipeline's steps, also within ensembles and nested pipelines."""
    found = {type(pipeline).__module__.partition(".")[0]}
    for steps in ("steps", "estimators", "transformer_list"):
        for _, step, *_ in getattr(pipeline, steps, None) or ():
            found |= _packages(step)
    return found
