"""Promotions against Debian's PostgreSQL, started here on 127.0.0.1."""

from __future__ import annotations

import time

import pytest

from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.registry.audit_log import read_audit_log
from fmnist_lib.registry.promotion import promote, rollback
from fmnist_lib.registry.store import StoreAddress, client, prepare_store
from tests.postgresql import INITDB, PostgreSQL

NAME = "fashion-mnist"
GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)
N_PROMOTIONS = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INITDB, reason="needs postgresql"),
]


@pytest.fixture(scope="module")
def postgresql():
    """Address of a new server."""
    with PostgreSQL() as server:
        yield server.address


def test_of_twenty_concurrent_promotions_one_is_champion_and_all_are_in_the_audit_log(
    postgresql, promote_concurrently, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "40")
    store = prepare_store(StoreAddress(TrackingConfig(), tmp_path, postgresql))
    log = promote_concurrently(store, N_PROMOTIONS)
    before = [entry.version for entry in log if entry.outcome == "promoted"][:-1]
    if before:
        assert rollback(store, NAME).version == before[-1]


def test_a_promotion_whose_process_was_killed_does_not_block_the_next_one(
    postgresql, killed_promotion, make_measures, tmp_path
):
    store = prepare_store(StoreAddress(TrackingConfig(), tmp_path, postgresql))
    killed_promotion(store, "killed")
    registry = client(store.uri)
    measures = make_measures()
    version = registry.create_model_version("killed", "file:///x", tags=measures.as_tags()).version
    start = time.monotonic()
    assert promote(store, "killed", str(version), measures, GATES).promoted
    assert time.monotonic() - start < 30
    outcomes = [entry.outcome for entry in read_audit_log(registry, "killed")]
    assert outcomes == ["abandoned", "promoted"]
