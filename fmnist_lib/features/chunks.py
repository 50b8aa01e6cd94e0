"""Work on a large batch chunk by chunk, on all threads this process may use."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")

#: Marks the threads of `in_threads`.
_nested = threading.local()

#: Environment variable that bounds our own threads; those of other libraries have their own.
THREADS = "FMNIST_THREADS"


def in_chunks(
    function: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    n_columns: int,
    size: int,
    dtype: type[np.generic] = np.float32,
) -> np.ndarray:
    """Apply a function to slices of a batch, side by side, and stack what it returns.

    NumPy lets go of the interpreter during its array operations, so threads suffice. Every
    chunk is computed with one BLAS thread whatever the number of threads: the values do not
    depend on it, bit for bit.

    Parameters
    ----------
    function : callable
        Takes a slice of ``images`` and returns its columns, shape (n_slice, n_columns). It is
        called from several threads at once and must not change what it shares.
    images : ndarray of shape (n, ...)
        Sliced along the first axis, without a copy.
    n_columns : int
        Columns that ``function`` returns.
    size : int
        Rows of a chunk; the last one may have fewer.
    dtype : type, default=numpy.float32
        Of the output.

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
    """Call a function for every item, side by side, with one BLAS thread in each call.

    A call from within such a call works in its own thread: the processors are busy already.

    Parameters
    ----------
    function : callable
        Called from several threads at once.
    items : sequence

    Returns
    -------
    list
        What the function returned, in the order of the items.
    """
    if getattr(_nested, "yes", False):
        return [function(item) for item in items]
    threads = min(available_threads(), len(items))
    with _blas().limit(limits=1, user_api="blas"):
        if threads <= 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(threads, initializer=_mark_nested) as pool:
            # list() raises what a thread raised.
            return list(pool.map(function, items))


def _mark_nested() -> None:
    _nested.yes = True


def available_threads() -> int:
    """Processors this process may run on, at most FMNIST_THREADS where that is set."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = os.environ.get(THREADS, "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores


def use_all_processors() -> None:
    """Lift the bound of our own threads in this process."""
    os.environ.pop(THREADS, None)


@contextmanager
def one_thread() -> Iterator[None]:
    """Bound our own threads to one, in this process and in those it starts meanwhile."""
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
    """Handle of the BLAS libraries: looking for them takes longer than a small batch."""
    return ThreadpoolController()
