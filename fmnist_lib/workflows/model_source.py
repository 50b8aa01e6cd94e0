"""Load a model by its address: a bundle, a directory, or a name in MLflow's registry."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.paths import PROJECT_ROOT, resolve_path
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.model_files.stored_model import load_model

if TYPE_CHECKING:
    from fmnist_lib.model_files.stored_model import LoadedModel

_KINDS = "bundle (.zip), model directory, or models:/NAME@ALIAS, models:/NAME/VERSION in MLflow"
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<number>\d+))")


def load(address: str, *, environment_uri: str | None = None, **checks: Any) -> LoadedModel:
    """Load a model.

    Parameters
    ----------
    address : str
        A bundle, a model directory (of a run, of MLflow, of an unpacked bundle), or
        ``models:/name@alias`` or ``models:/name/version``.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller: the store that registered models are
        looked up in; default: the project's ``mlruns/``.
    **checks
        As `fmnist_lib.model_files.stored_model.load_model` takes them.

    Raises
    ------
    ModelError, BundleError, TrackingError
        There is no such model, or it may not be loaded.
    """
    if address.startswith("models:"):
        return _registered(address, environment_uri, checks)
    path = resolve_path(address)
    if path.is_dir():
        return load_model(path / "model" if (path / "manifest.json").is_file() else path, **checks)
    if path.suffix != ".zip":
        raise ModelError(f"{address}: expected a {_KINDS}. Check the path.")
    from fmnist_lib.release.archive import unpack

    with tempfile.TemporaryDirectory() as name:
        unpack(path, Path(name), "model/")
        return load_model(Path(name) / "model", **checks)


def _registered(address: str, environment_uri: str | None, checks: dict[str, Any]) -> LoadedModel:
    from fmnist_lib.registry.store import StoreAddress
    from fmnist_lib.registry.versions import load_version

    match = _REGISTERED.fullmatch(address)
    if match is None:
        raise ModelError(f"{address}: expected models:/NAME@ALIAS or models:/NAME/VERSION.")
    uri = StoreAddress(TrackingConfig(), PROJECT_ROOT, environment_uri).uri
    return load_version(uri, match["name"], alias=match["alias"], number=match["number"], **checks)
