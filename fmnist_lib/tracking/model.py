"""The champion as an MLflow model on disk, readable without this checkout."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fmnist_lib.errors import TrackingError
from fmnist_lib.labels import IMAGE_SHAPE
from fmnist_lib.tracking.store import quiet_mlflow

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = Path(__file__).resolve().parents[1]
#: Only types from these packages are ever named as trusted when a skops file is loaded.
TRUSTED_PACKAGES = ("sklearn", "numpy", "scipy", "fmnist_lib", "xgboost", "lightgbm", "tpot")
TRUSTED_TYPES = ("collections.OrderedDict",)
#: Beyond this, skops and the check of its copy take more than about five seconds and four times
#: the size in memory: a large forest.
MAX_SKOPS_BYTES = 200_000_000
_DISTRIBUTIONS = {"xgboost": "xgboost", "lightgbm": "lightgbm", "tpot": "tpot"}

ModelFormat = Literal["skops", "cloudpickle"]


@dataclass(frozen=True)
class SavedModel:
    """An MLflow model directory.

    Attributes
    ----------
    directory : Path
        Holds ``MLmodel``, the serialised pipeline, its requirements and its code.
    file : Path
        The serialised pipeline within it.
    format : {"skops", "cloudpickle"}
        cloudpickle can run any code when loaded; skops only builds the trusted types.
    trusted_types : tuple of str
        Types beyond skops' own list that loading needs; empty for cloudpickle.
    fallback_reason : str or None
        Why skops could not be used.
    size_bytes : int
        Size of ``file``.
    """

    directory: Path
    file: Path
    format: ModelFormat
    trusted_types: tuple[str, ...]
    fallback_reason: str | None
    size_bytes: int


def save_model(champion: Any, examples: NDArray[np.uint8], directory: Path) -> SavedModel:
    """Write a fitted pipeline as an MLflow model.

    skops is used when every type in the pipeline belongs to a package we trust, the copy predicts
    bit for bit what a pickled one does, and the pipeline is not very large; else cloudpickle.

    Parameters
    ----------
    champion : sklearn.pipeline.Pipeline
        Fitted; accepts uint8 images of shape (n, 28, 28).
    examples : ndarray of shape (n, 28, 28), dtype uint8
        A few images; the first two become the model's input example, all are used for the check.
    directory : Path
        Must not exist yet.

    Raises
    ------
    TrackingError
        The pipeline cannot be serialised at all.

    References
    ----------
    https://skops.readthedocs.io/en/stable/persistence.html
    """
    trusted, reason = _skops_types(champion)
    if reason is None:
        _write(champion, examples[:2], directory, "skops", trusted)
        reason = _difference(champion, examples, directory)
    if reason is None:
        return _saved(directory, "skops", trusted)
    shutil.rmtree(directory, ignore_errors=True)
    _write(champion, examples[:2], directory, "cloudpickle", ())
    return _saved(directory, "cloudpickle", (), reason)


def _saved(
    directory: Path,
    model_format: ModelFormat,
    trusted: tuple[str, ...],
    reason: str | None = None,
) -> SavedModel:
    file = directory / ("model.skops" if model_format == "skops" else "model.pkl")
    return SavedModel(directory, file, model_format, trusted, reason, file.stat().st_size)


def _skops_types(champion: Any) -> tuple[tuple[str, ...], str | None]:
    """Return the types skops must be told to trust, or the reason why it cannot be used."""
    import skops.io

    try:
        size = len(pickle.dumps(champion))
        if size > MAX_SKOPS_BYTES:
            return (), f"{size / 1e6:.0f} MB, skops is only used up to {MAX_SKOPS_BYTES / 1e6:.0f}"
        found = skops.io.get_untrusted_types(data=skops.io.dumps(champion))
    except Exception as error:  # noqa: BLE001 - skops fails in many ways on types it cannot write
        return (), f"skops cannot write this pipeline: {type(error).__name__}: {error}"
    foreign = [name for name in found if not _is_trusted(name)]
    if foreign:
        return (), f"types outside the trusted packages: {', '.join(sorted(foreign))}"
    return tuple(sorted(found)), None


def _is_trusted(name: str) -> bool:
    return name in TRUSTED_TYPES or name.partition(".")[0] in TRUSTED_PACKAGES


def _write(
    champion: Any,
    examples: NDArray[np.uint8],
    directory: Path,
    model_format: ModelFormat,
    trusted: tuple[str, ...],
) -> None:
    """Write the MLflow model directory; nothing is asked of any server."""
    with quiet_mlflow():
        import mlflow.sklearn

        try:
            mlflow.sklearn.save_model(
                champion,
                str(directory),
                serialization_format=model_format,
                skops_trusted_types=list(trusted) or None,
                signature=_signature(champion, examples),
                input_example=examples,
                # Named, because MLflow otherwise finds them by loading the model in a subprocess.
                pip_requirements=_requirements(champion, model_format),
                code_paths=[str(PACKAGE)],
            )
        except (mlflow.MlflowException, pickle.PicklingError, TypeError, OSError) as error:
            raise TrackingError(
                f"champion: expected a pipeline that {model_format} can write, got: {error} "
                "Define its steps at the top level of a module, then run again."
            ) from error


def _signature(champion: Any, examples: NDArray[np.uint8]) -> Any:
    """Any number of uint8 images in, one label each out."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    labels = np.asarray(champion.predict(examples))
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *IMAGE_SHAPE))]),
        outputs=Schema([TensorSpec(labels.dtype, (-1,))]),
    )


def _requirements(champion: Any, model_format: ModelFormat) -> list[str]:
    """Pins of what loading and predicting imports, in the versions the champion was fitted with."""
    packages = {type(step).__module__.partition(".")[0] for _, step in _steps(champion)}
    names = ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", model_format]
    names += sorted(_DISTRIBUTIONS[package] for package in packages if package in _DISTRIBUTIONS)
    pins = []
    for name in names:
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pins


def _steps(champion: Any) -> list[tuple[str, Any]]:
    return list(getattr(champion, "steps", [("model", champion)]))


def _difference(champion: Any, examples: NDArray[np.uint8], directory: Path) -> str | None:
    """Say where the copy on disk differs from a pickled copy; None when bit for bit the same.

    The fitted pipeline itself is no yardstick: pickling turns arrays that are views in memory
    into contiguous ones, BLAS then rounds the last bit differently, and a tree may turn there.
    """
    pickled = pickle.loads(pickle.dumps(champion))  # noqa: S301 - our own bytes
    copy = load_model(directory)
    method = "predict_proba" if hasattr(champion, "predict_proba") else "predict"
    expected, found = (np.asarray(getattr(m, method)(examples)) for m in (pickled, copy))
    if np.array_equal(expected, found):
        return None
    n_different = int(np.any((expected != found).reshape(len(examples), -1), axis=1).sum())
    return f"{method} of the skops copy differs on {n_different} of {len(examples)} images"


def load_model(directory: Path) -> Any:
    """Load the scikit-learn pipeline from an MLflow model directory."""
    with quiet_mlflow():
        import mlflow.sklearn

        return mlflow.sklearn.load_model(str(directory))
