"""Register a model version, set its alias, load it."""

from __future__ import annotations

import json
import random
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.credentials import without_credentials
from fmnist_lib.common.errors import TrackingError
from fmnist_lib.model_files.stored_model import load_model
from fmnist_lib.registry.idempotent_runs import is_newer
from fmnist_lib.registry.store import client, database_lock, mlflow_calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fmnist_lib.common.data_version import Origin
    from fmnist_lib.model_files.stored_model import LoadedModel
    from fmnist_lib.registry.store import TrackingStore

CHAMPION, CHALLENGER, SYNTHETIC = "champion", "challenger", "synthetic"
_ATTEMPTS = 40
#: Tag with the hash of the serialised pipeline, checked when it is loaded.
MODEL_SHA256 = "model.sha256"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of the registered model and the alias it was given."""

    name: str
    version: str
    alias: str

    @property
    def uri(self) -> str:
        """The version's ``models:/`` address."""
        return f"models:/{self.name}/{self.version}"


def register(
    store: TrackingStore,
    name: str,
    model_id: str,
    run_id: str,
    *,
    origin: Origin,
    identity: Mapping[str, str],
    tags: Mapping[str, str],
) -> RegisteredVersion:
    """Register a logged model as a new version and point an alias to it.

    The alias is "challenger", or "synthetic" for a model fitted on synthetic images. Only
    `fmnist_lib.registry.promotion` makes a champion. The alias never goes back to an older version.
    Idempotent: a run that is registered already keeps its version.

    Parameters
    ----------
    store : TrackingStore
    name : str
        Registered model.
    model_id, run_id : str
        The logged model and its run.
    origin : {"official", "custom", "synthetic"}
    identity : mapping of str to str
        Tags of the version that name the Metaflow run: those of a run that resumes another one
        replace the other's.
    tags : mapping of str to str
        Further tags of a new version.

    Raises
    ------
    TrackingError
        The registry failed.
    """
    database = store.database
    alias = SYNTHETIC if origin == "synthetic" else CHALLENGER
    # SQLite fails on a second concurrent writer instead of waiting for the first.
    lock = nullcontext() if database is None else database_lock(database)
    with mlflow_calls(store.uri), lock:
        registry = client(store.uri)
        _ensure_registered(registry, name)
        found = _version_of_run(registry, name, run_id)
        if found is None:
            # The location itself: a `models:/` source would be looked up in MLflow's global store.
            source = registry.get_logged_model(model_id).artifact_location
            new = {**identity, **tags}
            version = add_version(
                registry, name, source, run_id=run_id, tags=new, model_id=model_id
            )
        else:
            version = str(found.version)
            for key, value in identity.items() if is_newer(identity, found.tags) else ():
                registry.set_model_version_tag(name, version, key, value)
        versions = json.dumps([{"name": name, "version": version}])
        registry.set_logged_model_tags(model_id, {"mlflow.modelVersions": versions})
        holder = find_version(registry, name, alias=alias)
        if holder is None or int(holder.version) < int(version):
            registry.set_registered_model_alias(name, alias, version)
    return RegisteredVersion(name=name, version=version, alias=alias)


def add_version(registry: Any, name: str, source: str, **details: Any) -> str:
    """Create a version; retry when it collides with a concurrent one.

    MLflow itself stops after three collisions. An error may come after the version was created:
    with ``run_id`` among the details, a run never gets a second one.
    """
    from mlflow.exceptions import MlflowException

    run_id = details.get("run_id")
    for attempt in range(_ATTEMPTS):
        if attempt and run_id and (found := _version_of_run(registry, name, run_id)):
            return str(found.version)
        try:
            return str(registry.create_model_version(name, source=source, **details).version)
        except MlflowException as error:
            collision = "creation error" in str(error) or "database is locked" in str(error)
            if not collision or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0, 0.2 * (attempt + 1)))  # noqa: S311 (no secret)
    raise AssertionError


def _version_of_run(registry: Any, name: str, run_id: str) -> Any | None:
    found = registry.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return min(found, key=lambda version: int(version.version), default=None)


def load_version(
    uri: str, name: str, *, alias: str | None = None, number: str | None = None, **checks: Any
) -> LoadedModel:
    """Load a version of a registered model, by its alias or its number.

    The files are compared with the SHA-256 that the version was registered with, and the
    downloaded copy is deleted.

    Parameters
    ----------
    uri : str
        Tracking URI, as `prepare_store` resolved it.
    name : str
        Registered model.
    alias, number : str or None
        One of them.
    **checks
        As `fmnist_lib.model_files.stored_model.load_model` takes them.

    Raises
    ------
    TrackingError
        The store does not answer, or there is no such version.
    ModelError
        The files changed, or may not be loaded.
    """
    with mlflow_calls(uri), tempfile.TemporaryDirectory() as directory:
        found = find_version(client(uri), name, alias=alias, number=number)
        if found is None:
            raise TrackingError(
                f"models:/{name}{f'@{alias}' if alias else f'/{number}'}: expected it in MLflow at "
                f"{without_credentials(uri)}, found no such version. Check MLFLOW_TRACKING_URI, or "
                "train one: `python flows/train.py run`."
            )
        files = _download(uri, name, found.version, directory)
        return load_model(files, **checks, sha256=found.tags.get(MODEL_SHA256))


def _download(uri: str, name: str, version: str, directory: str) -> Path:
    import mlflow.artifacts

    # Not by `models:/` address: MLflow would look that up in its global store.
    source = client(uri).get_model_version_download_uri(name, version)
    return Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=source, tracking_uri=uri, dst_path=directory
        )
    )


def find_version(
    registry: Any, name: str, *, alias: str | None = None, number: str | None = None
) -> Any | None:
    """Return MLflow's record of a version, by its alias or its number; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        if alias:
            return registry.get_model_version_by_alias(name, alias)
        return registry.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _ensure_registered(registry: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        registry.create_registered_model(
            name, description="Fashion-MNIST classifier: uint8 images (n, 28, 28) to labels 0-9."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
