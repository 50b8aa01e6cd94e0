"""Client of a Dask cluster that is named by the address of its scheduler."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmnist_lib.common.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that the scheduler may take to answer at first, and may be away later.
_CONNECT_SECONDS, _OUTAGE_SECONDS = 15.0, 300.0
#: Seconds without a worker.
_WORKER_SECONDS = 120.0
_POLL_SECONDS = 0.2


@contextmanager
def dask_client(address: str) -> Iterator[Any]:
    """Yield a `distributed.Client` of a scheduler.

    Parameters
    ----------
    address : str
        Such as ``tcp://host:8786``.

    Raises
    ------
    SearchError
        The scheduler does not answer, or has no worker.
    """
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        _wait_for_scheduler(address)
        client = distributed.Client(address, timeout=_OUTAGE_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise SearchError(
            f"search.dask_scheduler: expected a Dask scheduler at {address}, got: {error}. Start "
            "it with `dask scheduler`, or leave the key out."
        ) from None
    with client:
        wait_for_worker(client, address)
        yield client


def _wait_for_scheduler(address: str) -> None:
    """Wait until a server accepts connections; OSError if none does in time."""
    parts, deadline = urlsplit(address), time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), _CONNECT_SECONDS).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def wait_for_worker(client: Any, address: str) -> None:
    """Wait until the cluster has a worker; SearchError if none comes."""
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        raise SearchError(
            f"search.dask_scheduler: expected a worker at {address}, found none in "
            f"{_WORKER_SECONDS:.0f} s. Start one with `dask worker {address}`."
        ) from None


@contextmanager
def joblib_on_cluster(address: str | None) -> Iterator[None]:
    """Run calls of `joblib.Parallel`, scikit-learn's own too, on a cluster; None: leave them."""
    from joblib import parallel_config

    if address is None:
        yield
        return
    with dask_client(address) as client, parallel_config("dask", client=client):
        yield
