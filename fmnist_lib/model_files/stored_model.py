"""Save and load a fitted model: pipeline, held-out reference, prediction sets, manifest.

The pipeline is a skops file of listed types; cloudpickle, which can run arbitrary code when
loaded, must be allowed explicitly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.files import sha256_of
from fmnist_lib.common.formatting import short_list
from fmnist_lib.model_files.conformal_file import read_conformal, write_conformal
from fmnist_lib.model_files.copy_check import describe_difference
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.skops_file import MAX_MB, read_skops, write_skops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmnist_lib.common.conformal import ConformalCalibration

MANIFEST, REFERENCE, CONFORMAL = "model.json", "reference.npz", "conformal.npz"
#: Path of the files within an MLflow model.
WITHIN_MLFLOW = Path("data") / "champion"
_OPTIONAL = {REFERENCE, CONFORMAL}
FILES = {"skops": "model.skops", "cloudpickle": "model.pkl"}
#: Characters that are read of a manifest; three files take 700.
_MAX_MANIFEST = 100_000
_ANOTHER = "Take the model from a run or a bundle you trust."

ModelFormat = Literal["skops", "cloudpickle"]


@dataclass(frozen=True)
class SavedModel:
    """A model on disk.

    Attributes
    ----------
    directory : Path
        Directory of the files, or of the MLflow model that contains them.
    file : Path
        The serialised pipeline.
    format : {"skops", "cloudpickle"}
        cloudpickle can run arbitrary code when loaded; skops only constructs listed types.
    fallback_reason : str or None
        Why skops could not be used.
    size_bytes : int
        Size of ``file``.
    sha256 : str
        Of ``file``.
    """

    directory: Path
    file: Path
    format: ModelFormat
    fallback_reason: str | None
    size_bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model from disk.

    Attributes
    ----------
    pipeline : estimator
        Fitted; takes uint8 images of shape (n, 28, 28) or (n, 784).
    reference : HeldOutReference or None
        Calibration and thresholds from held-out images.
    sha256 : str
        Of the serialised pipeline.
    conformal : ConformalCalibration or None
        Thresholds of prediction sets.
    """

    pipeline: Any
    reference: HeldOutReference | None
    sha256: str
    conformal: ConformalCalibration | None = None


def save_model(
    pipeline: Any,
    images: NDArray[np.uint8],
    directory: Path,
    reference: HeldOutReference | None = None,
    *,
    conformal: ConformalCalibration | None = None,
    allow_cloudpickle: bool = False,
) -> SavedModel:
    """Write a fitted pipeline, and check its predictions in a new process.

    Parameters
    ----------
    pipeline : estimator
        Fitted; accepts uint8 images of shape (n, 28, 28).
    images : ndarray of shape (n, 28, 28), dtype uint8
        A new process must predict them bit for bit like a pickled copy in this process.
    directory : Path
        Created if missing.
    reference : HeldOutReference, optional
        Stored beside the pipeline.
    conformal : ConformalCalibration, optional
        Stored beside the pipeline.
    allow_cloudpickle : bool, default=False
        Fall back to cloudpickle if skops fails.

    Raises
    ------
    ModelError
        skops fails and cloudpickle is not allowed or fails too; the file is larger than `MAX_MB`;
        the predictions of the copy differ.

    References
    ----------
    https://skops.readthedocs.io/en/stable/persistence.html
    """
    directory.mkdir(parents=True, exist_ok=True)
    if reference is not None:
        reference.save(directory / REFERENCE)
    if conformal is not None:
        write_conformal(conformal, directory / CONFORMAL)
    reason = _write_skops(pipeline, images, directory)
    if reason is None:
        return _saved(directory, "skops", None)
    if not allow_cloudpickle:
        raise ModelError(
            f"winner: expected a pipeline that skops can write, but {reason}. It stays in "
            "Metaflow's artifacts. To publish such models with cloudpickle, which can run any "
            "code when loaded, set release.allow_cloudpickle = true and run again."
        )
    _write_cloudpickle(pipeline, images, directory, reason)
    return _saved(directory, "cloudpickle", reason)


def load_model(
    directory: Path,
    *,
    allow_cloudpickle: bool = False,
    max_mb: float = MAX_MB,
    sha256: str | None = None,
) -> LoadedModel:
    """Load a model after checking its files.

    Parameters
    ----------
    directory : Path
        As `save_model` wrote it, or an MLflow model that holds such a directory.
    allow_cloudpickle : bool, default=False
        Load a model in this format, which can run arbitrary code.
    max_mb : float
        Limit of the unpacked size in megabytes (10**6 bytes).
    sha256 : str, optional
        Expected hash of the serialised pipeline, from a source other than the directory.

    Raises
    ------
    ModelError
        A file is missing, changed, too large or of an unexpected type; the message names it.
        Nothing has been loaded.
    """
    directory = _files_of(directory)
    manifest = _manifest(directory)
    for name, expected in manifest["files"].items():
        _check_file(directory / name, expected, max_mb)
    file = directory / FILES[manifest["format"]]
    found = manifest["files"][file.name]["sha256"]
    if sha256 is not None and found != sha256:
        raise ModelError(
            f"{file.name}: expected the registered model, SHA-256 {sha256[:12]}..., got "
            f"{found[:12]}.... {_ANOTHER}"
        )
    if manifest["format"] == "skops":
        pipeline = read_skops(file, max_mb)
    else:
        pipeline = _read_cloudpickle(file, manifest, allow=allow_cloudpickle)
    stored = directory / REFERENCE
    reference = HeldOutReference.load(stored) if REFERENCE in manifest["files"] else None
    stored = directory / CONFORMAL
    conformal = read_conformal(stored) if CONFORMAL in manifest["files"] else None
    return LoadedModel(pipeline, reference, found, conformal)


def _write_skops(pipeline: Any, images: NDArray[np.uint8], directory: Path) -> str | None:
    """Write and check the skops file; return the reason if it cannot be used, else None."""
    file = directory / FILES["skops"]
    try:
        untrusted = write_skops(pipeline, file)
    except ModelError as error:
        reason: str | None = str(error).rstrip(".")
    else:
        if untrusted:
            reason = f"it holds types outside our list: {', '.join(untrusted)}"
        else:
            # No reason for the other format, which would be as large.
            _check_size(file)
            _write_manifest(directory, "skops", None)
            reason = describe_difference(pipeline, images, directory, allow=False)
    if reason is not None:
        file.unlink(missing_ok=True)
    return reason


def _write_cloudpickle(
    pipeline: Any, images: NDArray[np.uint8], directory: Path, reason: str
) -> None:
    import cloudpickle

    file = directory / FILES["cloudpickle"]
    try:
        file.write_bytes(cloudpickle.dumps(pipeline))
    except Exception as error:
        # Types of the pipeline may raise any exception.
        raise ModelError(
            f"winner: expected a pipeline that cloudpickle can write, got: {error}. "
            "Define its steps at the top level of a module, then run again."
        ) from error
    _check_size(file)
    _write_manifest(directory, "cloudpickle", reason)
    difference = describe_difference(pipeline, images, directory, allow=True)
    if difference is not None:
        raise ModelError(f"winner: {difference}. It stays in Metaflow's artifacts.")


def _check_size(file: Path) -> None:
    size = file.stat().st_size
    if size > MAX_MB * 1e6:
        raise ModelError(
            f"{file.name}: expected at most {MAX_MB:g} MB, got {size / 1e6:.0f}. Lower "
            "search.max_model_mb, so that the search prefers smaller models."
        )


def _write_manifest(directory: Path, model_format: ModelFormat, reason: str | None) -> None:
    optional = [name for name in _OPTIONAL if (directory / name).exists()]
    names = [FILES[model_format], *optional]
    manifest = {
        "format": model_format,
        "fallback_reason": reason,
        "input": "uint8 images, shape (n, 28, 28) or (n, 784), values 0 to 255",
        "files": {
            name: {
                "bytes": (directory / name).stat().st_size,
                "sha256": sha256_of(directory / name),
            }
            for name in names
        },
    }
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (directory / MANIFEST).write_text(text, encoding="utf-8")


def _saved(directory: Path, model_format: ModelFormat, reason: str | None) -> SavedModel:
    file = directory / FILES[model_format]
    return SavedModel(directory, file, model_format, reason, file.stat().st_size, sha256_of(file))


def _files_of(directory: Path) -> Path:
    for candidate in (directory, directory / WITHIN_MLFLOW):
        if (candidate / MANIFEST).is_file():
            return candidate
    raise ModelError(
        f"{directory}: expected a model directory with {MANIFEST}, found none. {_ANOTHER}"
    )


def _manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest if it names exactly the files that a model has."""
    try:
        with (directory / MANIFEST).open(encoding="utf-8") as file:
            manifest = json.loads(file.read(_MAX_MANIFEST))
        expected = {FILES[manifest["format"]]}
        is_valid = expected <= set(manifest["files"]) <= expected | _OPTIONAL and all(
            isinstance(one["bytes"], int) and isinstance(one["sha256"], str)
            for one in manifest["files"].values()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{MANIFEST}: expected the manifest of a model, got an unreadable one "
            f"({type(error).__name__}: {error}). {_ANOTHER}"
        ) from None
    if not is_valid:
        raise ModelError(
            f"{MANIFEST}: expected the files {short_list(sorted(expected | _OPTIONAL))}, got "
            f"{short_list(manifest['files'])}. {_ANOTHER}"
        )
    return dict(manifest)


def _check_file(file: Path, expected: dict[str, Any], max_mb: float) -> None:
    if not file.is_file():
        raise ModelError(f"{file.name}: expected it beside {MANIFEST}, found nothing. {_ANOTHER}")
    size = file.stat().st_size
    if size > max_mb * 1e6:
        raise ModelError(
            f"{file.name}: expected at most {max_mb:g} MB, got {size / 1e6:.0f}. If you trust it, "
            "raise the limit (--max-model-mb)."
        )
    if size != expected["bytes"] or sha256_of(file) != expected["sha256"]:
        raise ModelError(
            f"{file.name}: expected the file that {MANIFEST} describes, got one that was changed. "
            f"Nothing was loaded. {_ANOTHER}"
        )


def _read_cloudpickle(file: Path, manifest: dict[str, Any], *, allow: bool) -> Any:
    if not allow:
        raise ModelError(
            f"{file.name}: expected a skops file, got a pickle, which can run any code when "
            f"loaded (why: {manifest.get('fallback_reason')}). If you trust its author, allow "
            "it (--allow-cloudpickle)."
        )
    import cloudpickle

    try:
        return cloudpickle.loads(file.read_bytes())
    except Exception as error:
        # Unpickling may raise any exception.
        raise ModelError(
            f"{file.name}: expected a model written by this project, got: {error}. {_ANOTHER}"
        ) from error
