"""Storages of Optuna studies that several hosts share: PostgreSQL, or a gRPC proxy to it.

Both survive a restart of their server, and both have heartbeats: Optuna's own are rows of the
database, which the protocol of the proxy does not reach.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import time
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import GrpcStorageProxy, RDBStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import TrialState

from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.formatting import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

#: A trial whose worker has died is tried again so many times, then it counts as failed.
MAX_RETRIES = 3
#: A trial without a heartbeat for so many intervals belongs to a dead worker.
_MISSED_HEARTBEATS = 4
#: A server may be away for so long, and is asked again after a pause.
_OUTAGE_SECONDS, _PAUSE_SECONDS = 300.0, 0.5
#: Seconds that a proxy may take to answer at first.
_CONNECT_SECONDS = 10
#: A connection whose host does not answer any more fails after 30 seconds, not after 15 minutes.
_CONNECTION = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
_HEARTBEAT = "heartbeat"
_INSTALL = "Install the extra: pip install 'fmnist-flow[shared-search]'"


def open_storage(address: str, heartbeat_seconds: int = 5) -> BaseStorage:
    """Connect to a storage; a new database gets its tables.

    Parameters
    ----------
    address : str
        ``postgresql+DRIVER://USER@HOST:PORT/DATABASE`` or ``grpc://HOST:PORT``.
    heartbeat_seconds : int
        A trial that sends no heartbeat for four times as long is failed and queued again.

    Raises
    ------
    SearchError
        The server can't be reached, refuses the user, or its driver is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            is_proxy = address.startswith("grpc://")
            storage = _open_proxy(address) if is_proxy else _open_database(address)
        except ImportError as error:
            raise SearchError(f"search.study_storage: {error}. {_INSTALL}.") from None
    storage.heartbeat_seconds = heartbeat_seconds
    return storage


def _open_proxy(address: str) -> _Proxy:
    parts = urlsplit(address)
    proxy = _Proxy(host=str(parts.hostname), port=int(parts.port or 0))
    try:
        proxy.wait_server_ready(_CONNECT_SECONDS)
    except ConnectionError:
        raise SearchError(
            f"search.study_storage: expected a storage proxy at {address}, got no answer in "
            f"{_CONNECT_SECONDS} s. Start one with `python -m fmnist_lib study proxy`."
        ) from None
    return proxy


def _open_database(address: str) -> _Database:
    import sqlalchemy

    # Both drivers of that name are libpq, which takes these.
    connection = _CONNECTION if "psycopg" in sqlalchemy.make_url(address).get_driver_name() else {}
    make = functools.partial(_Database, address, {"connect_args": connection})
    try:
        with contextlib.suppress(sqlalchemy.exc.ProgrammingError, sqlalchemy.exc.IntegrityError):
            return make()
        # Another process was making the tables.
        time.sleep(_PAUSE_SECONDS)
        return make()
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        # The reason of the driver names host, port, user and database.
        reason = reason_of(getattr(error, "orig", None) or error, most=None)
        raise SearchError(
            f"search.study_storage: expected a database that can be used, got: {reason}. Check "
            "that the server runs and the database exists, and PGPASSWORD or ~/.pgpass."
        ) from None


class _Heartbeats(BaseHeartbeat):
    """Heartbeats among a trial's attributes.

    A trial is stale if its heartbeat has not changed while this process watched it for four
    intervals. So the clocks of the hosts need not agree, and a worker that was killed before its
    first heartbeat is noticed as well.
    """

    heartbeat_seconds: int = 5
    _seen: Mapping[int, tuple[Any, float]] = MappingProxyType({})
    _last_contact: float = -math.inf

    def record_heartbeat(self, trial_id: int) -> None:
        """Write the heartbeat of a trial; one that others have declared dead stays so."""
        storage: Any = self
        with contextlib.suppress(UpdateFinishedTrialError):
            storage.set_trial_user_attr(trial_id, _HEARTBEAT, time.time())
        self._note_contact()

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        storage: Any = self
        running = storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        self._note_contact()
        before, now = self._seen, time.monotonic()
        self._seen = {}
        for trial in running:
            number, beat = trial._trial_id, trial.user_attrs.get(_HEARTBEAT)  # noqa: SLF001
            last, since = before.get(number, (None, now))
            self._seen[number] = (beat, since if beat == last else now)
        limit = _MISSED_HEARTBEATS * self.heartbeat_seconds
        return [number for number, (_, since) in self._seen.items() if now - since > limit]

    def _note_contact(self) -> None:
        """Watch all trials anew after an outage, in which no worker could send heartbeats."""
        if time.monotonic() - self._last_contact > 2 * self.heartbeat_seconds:
            self._seen = {}
        self._last_contact = time.monotonic()

    def get_heartbeat_interval(self) -> int | None:
        """Return the seconds between two heartbeats."""
        return self.heartbeat_seconds

    def get_heartbeat_stale_trial_callback(self) -> Callable[[Study, FrozenTrial], None] | None:
        """Return the function that queues a stale trial again."""
        return _queue_again


def _queue_again(study: Study, trial: FrozenTrial) -> None:
    """Queue a dead worker's trial again, without what that worker measured."""
    trial.user_attrs = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES)
    retry(study, trial)


class _Database(_Heartbeats, RDBStorage):
    """A database; every transaction is repeated while its server is away."""


def _repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of `RDBStorage` that outlasts a restart of the server."""

    @functools.wraps(method)
    def call(self: _Database, *args: Any, **kwargs: Any) -> Any:
        import sqlalchemy

        deadline = time.monotonic() + _OUTAGE_SECONDS
        while True:
            try:
                return method(self, *args, **kwargs)
            except StorageInternalError as error:
                lost = (
                    sqlalchemy.exc.OperationalError,
                    sqlalchemy.exc.InterfaceError,
                    # Of the second query on a connection that was lost in the first.
                    sqlalchemy.exc.PendingRollbackError,
                )
                if not isinstance(error.__cause__, lost) or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)

    return call


# What Optuna's cache, which wraps the storage, calls of it during a search.
for _name in (
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "set_study_user_attr",
    "set_study_system_attr",
    "_create_new_trial",
    "_set_trial_param",
    "set_trial_state_values",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "get_trial",
    "_get_trials",
):
    setattr(_Database, _name, _repeated(getattr(RDBStorage, _name)))


class _Proxy(_Heartbeats, GrpcStorageProxy):
    """A gRPC proxy; calls wait while it is away."""

    def _setup(self) -> None:
        super()._setup()
        import grpc
        from optuna.storages._grpc.auto_generated.api_pb2_grpc import StorageServiceStub
        from optuna.storages._grpc.client import GrpcClientCache

        retry = {
            "maxAttempts": 5,
            "initialBackoff": "0.5s",
            "maxBackoff": "5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        method = {
            "name": [{}],
            "waitForReady": True,
            "timeout": f"{_OUTAGE_SECONDS:.0f}s",
            "retryPolicy": retry,
        }
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.service_config", json.dumps({"methodConfig": [method]})),
            # A proxy that has come back is found within seconds.
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        self._channel.close()
        self._channel = grpc.insecure_channel(f"{self._host}:{self._port}", options=options)
        self._stub = StorageServiceStub(self._channel)
        self._cache = GrpcClientCache(self._stub)


def serve_proxy(address: str, host: str, port: int) -> None:
    """Serve a database over gRPC until the process ends.

    Parameters
    ----------
    address : str
        Of the database.
    host : str
        Address to listen on.
    port : int

    Raises
    ------
    SearchError
        The database can't be used, the port is taken, or gRPC is not installed.
    """
    from optuna.storages import get_storage

    if address.startswith("grpc://"):
        raise SearchError("study proxy: expected the address of a database, got that of a proxy.")
    # Optuna's cache around it, as every study of its own has.
    storage = get_storage(open_storage(address))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.run_grpc_proxy_server(storage, host=host, port=port)
    except ImportError as error:
        raise SearchError(f"study proxy: {error}. {_INSTALL}.") from None
    except RuntimeError as error:
        raise SearchError(
            f"study proxy: expected to listen on a free port, got: {error}. Choose another --port "
            "or --host."
        ) from None
