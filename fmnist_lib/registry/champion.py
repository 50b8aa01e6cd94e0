"""The monitor's queries to MLflow, and its log there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.paths import sqlite_file
from fmnist_lib.registry.mlflow_entities import log_all, metrics
from fmnist_lib.registry.store import FIRST_CONTACT, client, mlflow_calls, resolve_uri
from fmnist_lib.registry.versions import CHAMPION, find_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fmnist_lib.common.run_report import RunIdentity
    from fmnist_lib.config.release import TrackingConfig
    from fmnist_lib.registry.store import TrackingStore


@dataclass(frozen=True)
class ModelVersion:
    """A registered version and the training run it comes from.

    Attributes
    ----------
    uri : str
        ``models:/<name>/<version>``.
    flow, run_id : str or None
        Of Metaflow, from the version's tags.
    """

    uri: str
    flow: str | None
    run_id: str | None


def version_behind_alias(
    config: TrackingConfig, root: Path, environment_uri: str | None, alias: str = CHAMPION
) -> ModelVersion | None:
    """Look up the version behind an alias and its training run.

    Parameters
    ----------
    config : TrackingConfig
    root : Path
        Directory that holds ``mlruns/`` when no store is configured.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.
    alias : str, default="champion"

    Returns
    -------
    ModelVersion or None
        None when there is no store yet, no such model, or no such alias.

    Raises
    ------
    TrackingError
        The store does not answer.
    """
    uri = resolve_uri(config, root, environment_uri)
    database = sqlite_file(uri)
    if database is not None and not database.exists():
        return None
    with mlflow_calls(uri):
        version = find_version(client(uri), config.model_name, alias=alias)
    if version is None:
        return None
    return ModelVersion(
        uri=f"models:/{config.model_name}/{version.version}",
        flow=version.tags.get("metaflow.flow"),
        run_id=version.tags.get("metaflow.run_id"),
    )


def file_of_champion(
    config: TrackingConfig,
    root: Path,
    environment_uri: str | None,
    path: str,
    fingerprint: str,
) -> tuple[str, bytes] | None:
    """Fetch a file of the champion's run, unless its data have this fingerprint.

    Parameters
    ----------
    config, root, environment_uri
        See `version_behind_alias`.
    path : str
        Of the file in the run.
    fingerprint : str
        Of the data that the caller has.

    Returns
    -------
    tuple of str and bytes, or None
        The version's address and the content; None when there is no champion or no such file, or
        when the data are the same.

    Raises
    ------
    TrackingError
        The store does not answer.
    """
    found = version_behind_alias(config, root, environment_uri)
    if found is None:
        return None
    uri = resolve_uri(config, root, environment_uri)
    with mlflow_calls(uri, **FIRST_CONTACT), TemporaryDirectory() as directory:
        tracking = client(uri)
        version = tracking.get_model_version(config.model_name, found.uri.rpartition("/")[2])
        if version.tags.get("data.fingerprint") == fingerprint:
            return None
        folder = path.rpartition("/")[0]
        if path not in [file.path for file in tracking.list_artifacts(version.run_id, folder)]:
            return None
        file = tracking.download_artifacts(version.run_id, path, directory)
        return found.uri, Path(file).read_bytes()


def log_monitor_run(
    store: TrackingStore,
    identity: RunIdentity,
    tags: Mapping[str, str],
    values: Mapping[str, Any],
) -> str:
    """Log one verdict as a run of its own, and return its id.

    Parameters
    ----------
    store : TrackingStore
        From `prepare_store`.
    identity : RunIdentity
        Of the monitor's run.
    tags : mapping of str to str
    values : mapping of str to float or None
        Metrics; those that are None or not finite are left out.

    Raises
    ------
    TrackingError
        The store refused or stopped answering.
    """
    with mlflow_calls(store.uri):
        tracking = client(store.uri)
        run = tracking.create_run(
            store.experiment_id,
            tags=identity.tags | dict(tags),
            run_name=f"{identity.flow}/{identity.run_id}",
        )
        run_id = str(run.info.run_id)
        log_all(tracking, run_id, metrics(values))
        tracking.set_terminated(run_id, "FINISHED")
    return run_id
