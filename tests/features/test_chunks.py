from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from fmnist_lib.features.chunks import THREADS, available_threads, in_chunks, in_threads


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 7, 25, 100])
def test_chunks_keep_their_order(rows, size):
    np.testing.assert_array_equal(in_chunks(lambda chunk: 2 * chunk, rows, 4, size), 2 * rows)


def test_an_empty_batch_gives_an_empty_result(rows):
    assert in_chunks(lambda chunk: chunk, rows[:0], 4, 10).shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_output_has_the_dtype_asked_for(dtype):
    pixels = np.arange(250, dtype=np.float64)[:, None]
    output = in_chunks(lambda chunk: chunk, pixels, 1, 100, dtype)
    assert output.dtype == dtype
    np.testing.assert_array_equal(output, pixels)


def test_no_more_threads_than_allowed(rows, monkeypatch):
    monkeypatch.setenv(THREADS, "1")
    assert available_threads() == 1
    seen = set()

    def remember(chunk):
        seen.add(threading.get_ident())
        return chunk

    in_chunks(remember, rows, 4, 1)
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("limit", ["", "0", "many", "1000000"])
def test_an_invalid_limit_is_ignored(limit, monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    processors = available_threads()
    monkeypatch.setenv(THREADS, limit)
    assert available_threads() == processors >= 1


def test_each_chunk_has_one_blas_thread(rows):
    def blas_threads(chunk):
        found = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return np.full((len(chunk), 1), max(found), dtype=np.float32)

    assert (in_chunks(blas_threads, rows, 1, 5) == 1).all()


def test_an_exception_in_a_thread_is_raised(rows):
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_chunks(fail, rows, 4, 5)


def test_nested_calls_stay_in_their_thread(monkeypatch):
    monkeypatch.setattr("fmnist_lib.features.chunks.available_threads", lambda: 2)

    def inner(_):
        return threading.get_ident()

    def outer(_):
        return {threading.get_ident(), *in_threads(inner, range(3))}

    assert [len(idents) for idents in in_threads(outer, range(4))] == [1, 1, 1, 1]
