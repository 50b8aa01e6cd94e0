"""Lock that runs the promotions of a model one at a time."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.credentials import without_credentials
from fmnist_lib.common.errors import TrackingError
from fmnist_lib.common.paths import sqlite_file
from fmnist_lib.registry.store import client
from fmnist_lib.registry.tracking_uri import database_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Timeout for all earlier promotions together.
WAIT_SECONDS = 900.0
#: On an HTTP server, a lock that has not changed hands for this long is stale: its holder died.
STALE_SECONDS = 120.0
_POLL_SECONDS = 0.2
#: Returns 1 if the session's advisory lock was free.
_TRY_LOCK = {
    "postgresql": "SELECT CAST(pg_try_advisory_lock(hashtext(:lock)) AS int)",
    "mysql": "SELECT GET_LOCK(:lock, 0)",
    "mssql": "SET NOCOUNT ON; DECLARE @result int; EXEC @result = sp_getapplock @Resource = :lock, "
    "@LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0; "
    "SELECT CASE WHEN @result >= 0 THEN 1 ELSE 0 END",
}
#: Longest name of a lock in MySQL.
_MAX_NAME = 64


@contextmanager
def promotion_lock(uri: str, name: str) -> Iterator[Callable[[], None]]:
    """Hold the lock of a model's promotions; wait for it if need be.

    What is guaranteed depends on the store:

    - SQLite: a file lock beside the database excludes every process that uses the file. The
      operating system releases it when its holder dies.
    - PostgreSQL, MySQL, SQL Server: an advisory lock excludes every client of the database. It is
      released when its holder's connection ends.
    - HTTP server: MLflow's REST API has no lock. Names of registered models are unique, so
      creating the model ``<name>-promotions-lock`` is atomic and excludes every client. The lock
      of a holder that died is stale and removed by the next promotion after `STALE_SECONDS`; a
      live holder that takes longer than that raises an error before it moves the alias.

    Yields
    ------
    callable
        Raises TrackingError if the lock has been lost: call it before moving the alias.

    Raises
    ------
    TrackingError
        Earlier promotions did not end within `WAIT_SECONDS`.
    """
    lock = f"{name}-promotions-lock"
    if database := sqlite_file(uri):
        held = _file_lock(f"{database}.promotions.lock")
    elif kind := database_kind(uri):
        held = _advisory_lock(uri, _TRY_LOCK[kind], lock[-_MAX_NAME:])
    else:
        held = _ServerLock(uri, lock).hold()
    with held as check:
        yield check


@contextmanager
def _file_lock(path: str) -> Iterator[Callable[[], None]]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=WAIT_SECONDS):
            yield lambda: None
    except Timeout:
        raise _timed_out(path) from None


@contextmanager
def _advisory_lock(uri: str, try_lock: str, lock: str) -> Iterator[Callable[[], None]]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        uri, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        statement = sqlalchemy.text(try_lock)
        _wait(lambda: bool(connection.execute(statement, {"lock": lock}).scalar()), uri)

        def check() -> None:
            # The lock is lost only with the connection, and then this statement fails.
            connection.execute(sqlalchemy.text("SELECT 1"))

        yield check


class _ServerLock:
    """A registered model as a lock; its description is a random token of the holder.

    A lock is released or removed by renaming it to ``<lock>-<token>``. Of several processes that
    consider the same lock stale, only the first can: the others find that name taken, so none
    removes the lock of the next holder.
    """

    def __init__(self, uri: str, lock: str) -> None:
        self._uri, self._lock, self._registry = uri, lock, client(uri)
        self._token = uuid.uuid4().hex
        self._seen: str | None = None
        self._seen_since = time.monotonic()

    @contextmanager
    def hold(self) -> Iterator[Callable[[], None]]:
        from mlflow.exceptions import MlflowException

        _wait(self._try, self._uri)
        try:
            yield self._check
        finally:
            # A lock that can't be released becomes stale.
            with contextlib.suppress(MlflowException):
                self._registry.delete_registered_model(self._remove(self._token))

    def _try(self) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            self._registry.create_registered_model(self._lock, description=self._token)
        except MlflowException as error:
            # The second: the server finds the name taken, looks the model up for its message, and
            # its holder has released it meanwhile.
            if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
                raise
        holder = self._holder()
        if holder == self._token:
            return True
        if holder != self._seen:
            self._seen, self._seen_since = holder, time.monotonic()
        elif holder and time.monotonic() - self._seen_since > STALE_SECONDS:
            with contextlib.suppress(MlflowException):
                self._remove(holder)
        return False

    def _holder(self) -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            return str(self._registry.get_registered_model(self._lock).description)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _remove(self, holder: str) -> str:
        removed = f"{self._lock}-{holder}"
        self._registry.rename_registered_model(self._lock, removed)
        return removed

    def _check(self) -> None:
        if self._holder() != self._token:
            raise TrackingError(
                f"{self._lock}: expected the promotion to finish within {STALE_SECONDS:.0f} "
                "seconds, timed out. Promote again with "
                "`python -m fmnist_lib registry promote VERSION`."
            )


def _wait(try_lock: Callable[[], bool], uri: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not try_lock():
        if time.monotonic() > deadline:
            raise _timed_out(without_credentials(uri))
        time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)


def _timed_out(place: Any) -> TrackingError:
    return TrackingError(
        f"{place}: expected earlier promotions to end within {WAIT_SECONDS:.0f} seconds, one is "
        "still running. Look at it with `python -m fmnist_lib registry log`, then promote again."
    )
