"""A Dask cluster as TPOT uses one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fmnist_lib.search.engines.dask_client import dask_client, wait_for_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def connect(address: str, on_score: Callable[[Any, float], None]) -> Iterator[TpotCluster]:
    """Connect to a Dask scheduler; see `fmnist_lib.search.engines.dask_client.dask_client`.

    Parameters
    ----------
    address : str
    on_score : callable
        Called with every individual that was evaluated, and its accuracy.
    """
    with dask_client(address) as client:
        yield TpotCluster(client, address, on_score)


class TpotCluster:
    """The methods that TPOT 1.1 calls of its client.

    TPOT asks for ``client.cluster.workers``, which a client of a remote scheduler does not have:
    it submits as many pipelines at a time as there are entries.

    Parameters
    ----------
    client : distributed.Client
    address : str
    on_score : callable
        See `connect`.
    """

    def __init__(self, client: Any, address: str, on_score: Callable[[Any, float], None]) -> None:
        self._client, self._address, self._on_score = client, address, on_score

    @property
    def cluster(self) -> TpotCluster:
        """Return itself: it has the workers."""
        return self

    @property
    def workers(self) -> list[str]:
        """Return the address of every worker, once for each of its threads.

        Waits if there is none at the moment: without one TPOT would give up.
        """
        wait_for_worker(self._client, self._address)
        threads = self._client.nthreads()
        return [worker for worker, number in threads.items() for _ in range(number)] or ["one"]

    def submit(self, function: Callable[..., Any], individual: Any, *args: Any, **kw: Any) -> Any:
        """Evaluate a pipeline on a worker; a dead worker's pipelines go to another one."""
        future = self._client.submit(function, individual, *args, pure=False, **kw)
        read = future.result

        def read_and_report() -> Any:
            # TPOT reads every result once, and has no callback.
            scores = read()
            self._report(individual, scores)
            return scores

        future.result = read_and_report
        return future

    def run(self, function: Callable[[], Any]) -> Any:
        """Run a function on every worker."""
        return self._client.run(function)

    def _report(self, individual: Any, scores: Any) -> None:
        # TPOT's marks for a pipeline that failed are strings.
        with contextlib.suppress(ValueError):
            self._on_score(individual, float(scores[0]))
