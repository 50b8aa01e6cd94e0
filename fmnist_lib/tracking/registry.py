"""Models by name: register a version, give it its alias, load one back."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.errors import TrackingError
from fmnist_lib.tracking.model import load_model
from fmnist_lib.tracking.store import client, database_lock, mlflow_calls, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fmnist_lib.data.version import Origin
    from fmnist_lib.tracking.store import TrackingStore

CHAMPION, CHALLENGER, SYNTHETIC = "champion", "challenger", "synthetic"
#: Tags of a version by which the next one is compared with it.
TEST_SET, ACCURACY_LOW, ACCURACY_HIGH = "test.sha256", "test.accuracy_low", "test.accuracy_high"
#: Tag of a retrained version that did not beat the champion: why.
LOST = "challenge.lost"


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
    tags: Mapping[str, str],
) -> RegisteredVersion:
    """Register a logged model as a new version and move the alias to it.

    The alias is "champion", with three exceptions. A model fitted on synthetic images gets
    "synthetic", whatever its accuracy. A model that is clearly worse than the present champion
    gets "challenger": both were measured on the same test images, and its whole interval lies
    below the champion's. So does a retrained model that did not beat it (`LOST`).

    Parameters
    ----------
    store : TrackingStore
    name : str
        Registered model.
    model_id, run_id : str
        The logged model and its run.
    origin : {"official", "custom", "synthetic"}
    tags : mapping of str to str
        Of the version; ``test.sha256``, ``test.accuracy_low`` and ``test.accuracy_high`` are
        what versions are compared by.

    Raises
    ------
    TrackingError
        The registry refused.
    """
    database = store.database
    # Version numbers are counted by reading the last one: two runs must not do so at once.
    lock = nullcontext() if database is None else database_lock(database)
    with mlflow_calls(store.uri), lock:
        registry = client(store.uri)
        _ensure_registered(registry, name)
        alias = SYNTHETIC if origin == "synthetic" else _earned_alias(registry, name, tags)
        # The location itself: a `models:/` source would be looked up in MLflow's global store.
        source = registry.get_logged_model(model_id).artifact_location
        version = registry.create_model_version(
            name, source=source, run_id=run_id, tags=dict(tags), model_id=model_id
        )
        versions = json.dumps([{"name": name, "version": version.version}])
        registry.set_logged_model_tags(model_id, {"mlflow.modelVersions": versions})
        registry.set_registered_model_alias(name, alias, version.version)
    return RegisteredVersion(name=name, version=str(version.version), alias=alias)


def load_champion(uri: str, name: str, alias: str = CHAMPION) -> Any:
    """Load the pipeline behind ``models:/<name>@<alias>``.

    Parameters
    ----------
    uri : str
        Tracking URI, as `prepare_store` resolved it.
    name : str
        Registered model.
    alias : str, default="champion"

    Returns
    -------
    sklearn.pipeline.Pipeline
        Predicts labels of uint8 images of shape (n, 28, 28).

    Raises
    ------
    TrackingError
        The store does not answer, or there is no such model or alias.
    """
    with mlflow_calls(uri):
        import mlflow.artifacts

        registry = client(uri)
        version = _version_behind(registry, name, alias)
        if version is None:
            raise TrackingError(
                f"{without_credentials(uri)}: expected a model '{name}' with the alias '{alias}', "
                "got none. A run on Fashion-MNIST sets it: `python flows/train.py run`."
            )
        # Not by `models:/` address: MLflow would look that up in its global store.
        source = registry.get_model_version_download_uri(name, version)
        return load_model(
            Path(mlflow.artifacts.download_artifacts(artifact_uri=source, tracking_uri=uri))
        )


def _earned_alias(registry: Any, name: str, tags: Mapping[str, str]) -> str:
    """Return "champion" unless the present champion is better."""
    if LOST in tags:
        return CHALLENGER
    version = _version_behind(registry, name, CHAMPION)
    if version is None:
        return CHAMPION
    present = registry.get_model_version(name, version).tags
    comparable = all(key in present and key in tags for key in (TEST_SET, ACCURACY_LOW))
    if not comparable or present[TEST_SET] != tags[TEST_SET]:
        return CHAMPION
    worse = float(tags[ACCURACY_HIGH]) < float(present[ACCURACY_LOW])
    return CHALLENGER if worse else CHAMPION


def _version_behind(registry: Any, name: str, alias: str) -> str | None:
    """Return the version that an alias points to; None when there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        return str(registry.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _ensure_registered(registry: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        registry.create_registered_model(
            name, description="Fashion-MNIST champion: uint8 images (n, 28, 28) to labels 0-9."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
