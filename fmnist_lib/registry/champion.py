"""The champion's version, its training run, and files of that run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fmnist_lib.common.paths import sqlite_file
from fmnist_lib.registry.store import FIRST_CONTACT, client, mlflow_calls
from fmnist_lib.registry.versions import CHAMPION, find_version

if TYPE_CHECKING:
    from fmnist_lib.registry.store import StoreAddress


@dataclass(frozen=True)
class ChampionVersion:
    """The registered version behind the alias ``champion``.

    Attributes
    ----------
    uri : str
        ``models:/<name>/<version>``.
    flow, run_id : str or None
        Of Metaflow, from the version's tags.
    mlflow_run_id : str
    fingerprint : str or None
        Of the data it was trained on.
    """

    uri: str
    flow: str | None
    run_id: str | None
    mlflow_run_id: str
    fingerprint: str | None


def find_champion_version(address: StoreAddress) -> ChampionVersion | None:
    """Look up the champion; None when there is no store yet, no such model, or no champion.

    Raises
    ------
    TrackingError
        The store does not answer.
    """
    uri, name = address.uri, address.config.model_name
    database = sqlite_file(uri)
    if database is not None and not database.exists():
        return None
    with mlflow_calls(uri):
        found = find_version(client(uri), name, alias=CHAMPION)
    if found is None:
        return None
    return ChampionVersion(
        uri=f"models:/{name}/{found.version}",
        flow=found.tags.get("metaflow.flow"),
        run_id=found.tags.get("metaflow.run_id"),
        mlflow_run_id=found.run_id,
        fingerprint=found.tags.get("data.fingerprint"),
    )


def read_run_file(address: StoreAddress, mlflow_run_id: str, path: str) -> bytes | None:
    """Return the content of a file of an MLflow run; None if it has no such file.

    Raises
    ------
    TrackingError
        The store does not answer.
    """
    with mlflow_calls(address.uri, **FIRST_CONTACT), TemporaryDirectory() as directory:
        tracking = client(address.uri)
        files = tracking.list_artifacts(mlflow_run_id, path.rpartition("/")[0])
        if path not in [file.path for file in files]:
            return None
        return Path(tracking.download_artifacts(mlflow_run_id, path, directory)).read_bytes()
