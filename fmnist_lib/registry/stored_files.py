"""Runs that the registry needs, and the files that MLflow stores of each Metaflow run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fmnist_lib.common.deletion import MLFLOW, Deletion
from fmnist_lib.common.paths import sqlite_file
from fmnist_lib.registry.store import FIRST_CONTACT, client, mlflow_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fmnist_lib.registry.store import StoreAddress

#: Results per request; MLflow's own maximum for logged models is lower than for runs.
_PAGE = 1000
_LOGGED_MODELS = 50


@dataclass(frozen=True)
class StoredFiles:
    """The registry's and the tracking store's view of the Metaflow runs.

    Attributes
    ----------
    registered : frozenset of str
        ``flow/run`` of every run with a registered version, whatever the model's name.
    runs : dict of str to tuple of str
        MLflow's ids of a run, of its children and of its duplicates, by ``flow/run``.
    directories : dict of str to tuple of Path
        Directories with the files of those, by ``flow/run``: only what is below a SQLite database's
        directory, because a copied database still names the original's files, and none of a
        registered version.
    models : dict of str to tuple of str
        Ids of the models that the runs logged, by ``flow/run``.
    """

    registered: frozenset[str] = frozenset()
    runs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    directories: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    models: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def deletions(self, run: str) -> list[Deletion]:
        """Return the files of a run that may be deleted with it."""
        return [Deletion(MLFLOW, path) for path in self.directories.get(run, ())]


def read_stored_files(address: StoreAddress) -> StoredFiles:
    """Read all of it; nothing is stored if there is no database yet.

    Raises
    ------
    TrackingError
        The store does not answer.
    """
    if _is_absent(address):
        return StoredFiles()
    with mlflow_calls(address.uri, **FIRST_CONTACT):
        client(address.uri).search_experiments(max_results=1)
    with mlflow_calls(address.uri):
        tracking = client(address.uri)
        versions = list(_pages(tracking.search_model_versions, max_results=_PAGE))
        experiments = _experiments(tracking)
        runs = _metaflow_runs(tracking, experiments)
        owners = {run.info.run_id: key for key, found in runs.items() for run in found}
        registered = {_owner(version, owners) for version in versions} - {None}
        models = _logged_models(tracking, experiments, owners)
    sources = [path for version in versions if (path := _local_path(version.source))]
    database = sqlite_file(address.uri)
    directories = {}
    for key, found in runs.items():
        addresses = [run.info.artifact_uri for run in found]
        addresses += [model.artifact_location for model in models.get(key, ())]
        paths = [_own_directory(path) for path in map(_local_path, addresses) if path]
        directories[key] = tuple(
            path
            for path in paths
            if database and path.is_relative_to(database.parent) and not _holds(path, sources)
        )
    return StoredFiles(
        registered=frozenset(str(key) for key in registered),
        runs={key: tuple(run.info.run_id for run in found) for key, found in runs.items()},
        directories=directories,
        models={key: tuple(model.model_id for model in found) for key, found in models.items()},
    )


def delete_stored_files(address: StoreAddress, stored: StoredFiles, run: str) -> int:
    """Delete a Metaflow run from MLflow: mark its runs deleted, delete the files, then the models.

    Idempotent: an interrupted call is completed by another one. The entries stay in the database
    until ``mlflow gc``, which also deletes the files that a server keeps.

    Parameters
    ----------
    address : StoreAddress
    stored : StoredFiles
    run : str
        ``flow/run``.

    Returns
    -------
    int
        Bytes of the deleted files.

    Raises
    ------
    TrackingError
        The store does not answer.
    """
    if run not in stored.runs:
        return 0
    with mlflow_calls(address.uri):
        tracking = client(address.uri)
        for one in stored.runs[run]:
            if tracking.get_run(one).info.lifecycle_stage == "active":
                tracking.delete_run(one)
        freed = sum(deletion.apply() for deletion in stored.deletions(run))
        # Last: a search finds deleted runs, but no deleted models.
        for model in stored.models.get(run, ()):
            tracking.delete_logged_model(model)
    return freed


def _is_absent(address: StoreAddress) -> bool:
    database = sqlite_file(address.uri)
    return database is not None and not database.exists()


def _metaflow_runs(tracking: Any, experiments: list[str]) -> dict[str, list[Any]]:
    """Return the MLflow runs of every Metaflow run, the deleted ones too."""
    from mlflow.entities import ViewType

    found = defaultdict(list)
    for run in _pages(
        tracking.search_runs, experiments, run_view_type=ViewType.ALL, max_results=_PAGE
    ):
        if key := _key(run.data.tags):
            found[key].append(run)
    return dict(found)


def _experiments(tracking: Any) -> list[str]:
    from mlflow.entities import ViewType

    found = _pages(tracking.search_experiments, view_type=ViewType.ALL, max_results=_PAGE)
    return [experiment.experiment_id for experiment in found]


def _logged_models(
    tracking: Any, experiments: list[str], owners: dict[str, str]
) -> dict[str, list[Any]]:
    """Return the models that the runs of every Metaflow run logged, without the deleted ones."""
    found = defaultdict(list)
    for model in _pages(tracking.search_logged_models, experiments, max_results=_LOGGED_MODELS):
        if model.source_run_id in owners:
            found[owners[model.source_run_id]].append(model)
    return dict(found)


def _owner(version: Any, owners: dict[str, str]) -> str | None:
    """Return the Metaflow run of a version; None for an entry of the audit log."""
    return _key(version.tags) or owners.get(version.run_id)


def _key(tags: dict[str, str]) -> str | None:
    """Return the Metaflow run, ``flow/run``, that tags name."""
    if "metaflow.flow" in tags and "metaflow.run_id" in tags:
        return f"{tags['metaflow.flow']}/{tags['metaflow.run_id']}"
    return None


def _own_directory(artifacts: Path) -> Path:
    """Return the directory of a run or model: its files are in ``<id>/artifacts``."""
    return artifacts.parent if artifacts.name == "artifacts" else artifacts


def _local_path(address: str | None) -> Path | None:
    """Return the path of a ``file:`` address or of a plain path; None for any other."""
    if not address:
        return None
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).resolve()
    return Path(address).resolve() if address.startswith("/") else None


def _holds(directory: Path, sources: Iterable[Path]) -> bool:
    """Return True if a registered version's files are in a directory, or the other way round."""
    return any(
        source.is_relative_to(directory) or directory.is_relative_to(source) for source in sources
    )


def _pages(search: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[Any]:
    """Yield the results of a search, page by page."""
    token = None
    while True:
        page = search(*arguments, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return
