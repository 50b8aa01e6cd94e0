"""Process a large batch in chunks, on all threads this process may use."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from fmnist_lib.common.process import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")

#: Marks the threads of `in_threads`.
_worker = threading.local()

#: Environment variable that limits this project's threads; other libraries have their own.
THREADS = "FMNIST_THREADS"


def in_chunks(
    function: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    n_columns: int,
    size: int,
    dtype: type[np.generic] = np.float32,
) -> np.ndarray:
    """Apply a function to slices of a batch in parallel, and stack the results.

    NumPy releases the GIL during array operations, so threads suffice. Every chunk is computed
    with one BLAS thread, so the values are bitwise independent of the number of threads.

    Parameters
    ----------
    function : callable
        Takes a slice of ``images`` and returns its columns, shape (n_slice, n_columns). Must be
        thread-safe.
    images : ndarray of shape (n, ...)
        Sliced along the first axis, without a copy.
    n_columns : int
        Columns that ``function`` returns.
    size : int
        Rows per chunk; the last one may have fewer.
    dtype : type, default=numpy.float32
        Dtype of the output.

    Returns
    -------
    ndarray of shape (n, n_columns)
    """
    output = np.empty((len(images), n_columns), dtype=dtype)

    def fill(start: int) -> None:
        output[start : start + size] = function(images[start : start + size])

    in_threads(fill, range(0, len(images), size))
    return output


def in_threads(function: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """Call a function for every item in parallel, with one BLAS thread per call.

    Nested calls run serially in their thread, to avoid oversubscription.

    Parameters
    ----------
    function : callable
        Must be thread-safe.
    items : sequence

    Returns
    -------
    list
        Results in the order of the items.
    """
    if getattr(_worker, "active", False):
        return [function(item) for item in items]
    threads = min(available_threads(), len(items))
    with _blas().limit(limits=1, user_api="blas"):
        if threads <= 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(threads, initializer=_mark_worker) as pool:
            # list() re-raises exceptions of the threads.
            return list(pool.map(function, items))


def _mark_worker() -> None:
    _worker.active = True


def available_threads() -> int:
    """Return the number of cores this process may use, at most FMNIST_THREADS if set."""
    cores = available_cores()
    limit = os.environ.get(THREADS, "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores


def limit_threads(threads: int) -> None:
    """Limit the threads of this process from now on."""
    os.environ[THREADS] = str(threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit this process and its new child processes to one thread."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


@cache
def _blas() -> ThreadpoolController:
    """Return the BLAS controller, cached: finding the libraries is slower than a small batch."""
    return ThreadpoolController()
