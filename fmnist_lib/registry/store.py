"""MLflow's tracking store: a server, or a SQLite file that is migrated on first use."""

from __future__ import annotations

import logging
import os
import shlex
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.credentials import has_credentials, mask, without_credentials
from fmnist_lib.common.errors import TrackingError
from fmnist_lib.common.formatting import reason_of
from fmnist_lib.common.paths import resolve_address, sqlite_address, sqlite_file
from fmnist_lib.common.sqlite import open_existing
from fmnist_lib.registry.tracking_uri import database_kind, uri_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fmnist_lib.config.release import TrackingConfig

#: Timeout for another run to migrate the database.
LOCK_SECONDS = 180
#: MLflow's own defaults (7 retries of 120 s) would hang a finished training run for minutes.
#: Defaults; variables that the user has set are kept.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
#: For calls that only check whether the server answers.
FIRST_CONTACT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


@dataclass(frozen=True)
class StoreAddress:
    """Address of the tracking store that a configuration names; the store may not exist yet.

    Attributes
    ----------
    config : TrackingConfig
    root : Path
        Directory that holds ``mlruns/`` when nothing else is named, and where a relative SQLite
        file of the configuration starts; one of the environment starts at the working directory.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.
    """

    config: TrackingConfig
    root: Path
    environment_uri: str | None = None

    @property
    def uri(self) -> str:
        """Tracking URI: the configured one, else the environment's, else a SQLite file."""
        if self.config.uri:
            return resolve_address(self.config.uri, self.root.resolve())
        if self.environment_uri:
            return resolve_address(self.environment_uri)
        return sqlite_address(self.root.resolve() / "mlruns" / "mlflow.db")

    @property
    def setting(self) -> str:
        """Configuration key or environment variable that names the store, for messages."""
        from_environment = self.environment_uri and not self.config.uri
        return "MLFLOW_TRACKING_URI" if from_environment else "tracking.uri"


@dataclass(frozen=True)
class TrackingStore:
    """A tracking store that answers and holds the experiment.

    Attributes
    ----------
    uri : str
        What `MlflowClient` takes; may hold credentials, so show `public_uri` instead.
    experiment_id : str
    """

    uri: str
    experiment_id: str

    @property
    def public_uri(self) -> str:
        """The address without user name and password."""
        return without_credentials(self.uri)

    @property
    def database(self) -> Path | None:
        """The SQLite file, or None for any other store."""
        return sqlite_file(self.uri)


def prepare_store(address: StoreAddress) -> TrackingStore:
    """Migrate the database and create the experiment, where needed.

    Safe to call from several processes at once and cheap when there is nothing to do, so a flow
    can call it early, beside the search, and again before it publishes.

    Raises
    ------
    TrackingError
        The server does not answer within a few seconds, the database is of an older or newer
        MLflow, or the file cannot be written.
    """
    uri, experiment = address.uri, address.config.experiment
    database = sqlite_file(uri)
    with mlflow_calls(uri, **FIRST_CONTACT):
        if database is None:
            experiment_id = _experiment_id(uri, experiment, None)
        else:
            with database_lock(database):
                _migrate_once(database)
                artifacts = (database.parent / "artifacts").as_uri()
                experiment_id = _experiment_id(uri, experiment, artifacts)
    return TrackingStore(uri=uri, experiment_id=experiment_id)


@contextmanager
def quiet_mlflow(**environment: str) -> Iterator[None]:
    """Run MLflow without telemetry, log output or long retries; the user's settings stay."""
    wanted = {**_ENVIRONMENT, **environment}
    added = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in added})
    try:
        import mlflow.exceptions  # noqa: F401 - sets the level of MLflow's logger, which is next

        logger = logging.getLogger("mlflow")
        level = logger.level
        # Its errors are raised as well, so that logging them only adds a traceback.
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
    finally:
        for name in added:
            # Telemetry stays off: MLflow's background threads read this one again.
            if name != "MLFLOW_DISABLE_TELEMETRY":
                os.environ.pop(name, None)


@contextmanager
def mlflow_calls(uri: str, **environment: str) -> Iterator[None]:
    """Run calls to a store quietly; raise its errors as TrackingError."""
    if problem := uri_problem(uri):
        raise TrackingError(f"MLflow at {without_credentials(uri)}: {problem}.")
    with quiet_mlflow(**environment):
        import requests
        import sqlalchemy.exc
        from mlflow.exceptions import MlflowException

        try:
            _open_database(uri)
            yield
        except (
            MlflowException,
            requests.RequestException,
            sqlalchemy.exc.SQLAlchemyError,
            sqlite3.Error,
            OSError,
            ImportError,
        ) as error:
            # Libraries put the whole address into their messages, which a traceback would print.
            cause = None if has_credentials(uri) else error
            raise TrackingError(_message(uri, error)) from cause


def _open_database(uri: str) -> None:
    """Fail fast if a database can't be read: MLflow retries silently for almost two minutes."""
    database = sqlite_file(uri)
    if database is None:
        if database_kind(uri):
            _connect(uri)
    elif database.exists():
        with closing(open_existing(database)) as connection:
            connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()


def _connect(uri: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def client(uri: str) -> Any:
    """Return an `MlflowClient` bound to this store, leaving MLflow's global state alone."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


class BoundedClient:
    """An `MlflowClient` with one deadline for all its calls together.

    A slow server that meets the timeout of every request could still delay a run for hours.
    """

    def __init__(self, uri: str, seconds: float) -> None:
        self._client = client(uri)
        self._uri, self._seconds = uri, seconds
        self._deadline = time.monotonic() + seconds

    def __getattr__(self, name: str) -> Any:
        if time.monotonic() > self._deadline:
            raise TrackingError(
                f"MLflow at {without_credentials(self._uri)}: expected it to log a run within "
                f"{self._seconds:g} seconds, it is slower. Raise tracking.max_seconds, or check "
                "the server."
            )
        return getattr(self._client, name)


@contextmanager
def database_lock(database: Path) -> Iterator[None]:
    """Hold the lock beside a SQLite database; other runs wait for it."""
    from filelock import FileLock, Timeout

    database.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{database}.lock", timeout=LOCK_SECONDS)
    try:
        with lock:
            yield
    except Timeout:
        raise TrackingError(
            f"{database}: another run has held {lock.lock_file} for {LOCK_SECONDS} seconds. "
            "Wait for that run, then publish again."
        ) from None


def _migrate_once(database: Path) -> None:
    """Create a missing database atomically: under a temporary name, then renamed.

    A run that is killed during the migration leaves no partial database behind.
    """
    if database.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = database.with_name(f"{database.name}.{os.getpid()}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        artifacts = (database.parent / "artifacts").as_uri()
        store = SqlAlchemyStore(sqlite_address(unfinished), artifacts)
        store.engine.dispose()
        unfinished.replace(database)
    finally:
        unfinished.unlink(missing_ok=True)


def _experiment_id(uri: str, name: str, artifacts: str | None) -> str:
    """Return the experiment's id, creating it if need be; safe against concurrent runs."""
    from mlflow.exceptions import MlflowException

    tracking = client(uri)
    experiment = tracking.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(tracking.create_experiment(name, artifact_location=artifacts))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = tracking.get_experiment_by_name(name)
    if experiment.lifecycle_stage == "deleted":
        raise TrackingError(
            f"MLflow at {without_credentials(uri)}: expected the experiment '{name}' to be active, "
            "it is deleted. Restore it in MLflow, or set tracking.experiment to another name."
        )
    return str(experiment.experiment_id)


def _message(uri: str, error: Exception) -> str:
    """Return one message: what, expected, got, how to fix it."""
    address = without_credentials(uri)
    reason = reason_of(error, most=None)
    hint = "Check that the server is up and reachable, or set tracking.uri"
    if "out-of-date database schema" in reason or "locate revision" in reason:
        hint = f"Back the file up, then run `mlflow db upgrade {shlex.quote(address)}`"
    elif sqlite_file(uri) is not None:
        hint = "Check that its directory can be written, or set tracking.uri"
    return (
        f"MLflow at {address}: expected it to answer and to store the run, got: "
        f"{mask(reason, uri)}. {hint}."
    )
