"""Helpers of the training flow."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from fmnist_lib.common.errors import DatastoreError
from fmnist_lib.common.machine_failures import machine_failure
from fmnist_lib.common.paths import PROJECT_ROOT


@pytest.fixture
def training_run(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT_ROOT / "flows"))
    from shared import training_run

    return training_run.TrainingRun()


def test_a_datastore_that_cannot_be_written_is_one_message(training_run):
    def fail(_):
        raise OSError(errno.EROFS, "Read-only file system", "/datastore/x")

    training_run._datastore = SimpleNamespace(save_metadata=fail)
    with pytest.raises(DatastoreError, match=r"Read-only file system.* Fix the cause") as caught:
        training_run.check_datastore()
    assert machine_failure(caught.value) == (
        "Read-only file system: /datastore/x. Make it writable again."
    )
    training_run._datastore = SimpleNamespace(save_metadata=lambda _: None)
    training_run.check_datastore()
