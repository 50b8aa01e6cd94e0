from __future__ import annotations

import errno
import sqlite3

import pytest

from fmnist_lib.common.machine_failures import machine_failure


def raised_from(cause):
    try:
        try:
            raise cause
        except type(cause) as error:
            raise RuntimeError("MLflow did not answer") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "x", "/data/a.zip"), "No space left on device: /data/a.zip. Free"),
        (OSError(errno.EROFS, "x"), "Read-only file system. Make it writable"),
        (OSError(errno.EDQUOT, "x"), "Disk quota exceeded. Free"),
        (sqlite3.OperationalError("database or disk is full"), "No space left on device"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "Read-only file"),
        (MemoryError(), "Out of memory"),
        (OSError(errno.ENOMEM, "x"), "Out of memory"),
        (RuntimeError("can't start new thread"), "Out of memory"),
        (ImportError("a.so: failed to map segment from shared object"), "Out of memory"),
    ],
)
def test_a_failure_of_the_machine_is_one_message_also_as_a_cause(error, message):
    assert machine_failure(error).startswith(message)
    assert machine_failure(raised_from(error)) == machine_failure(error)


@pytest.mark.parametrize(
    "error", [ValueError("no"), FileNotFoundError(errno.ENOENT, "x"), ImportError("no module")]
)
def test_any_other_error_keeps_its_traceback(error):
    assert machine_failure(error) is None
    assert machine_failure(raised_from(error)) is None
