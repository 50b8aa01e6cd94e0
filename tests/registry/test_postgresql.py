"""Promotions against Debian's PostgreSQL, started here on 127.0.0.1."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.registry.audit_log import read_audit_log
from fmnist_lib.registry.promotion import promote, rollback
from fmnist_lib.registry.store import StoreAddress, client, prepare_store

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
NAME = "fashion-mnist"
GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)
N_PROMOTIONS = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINARIES, reason="needs postgresql"),
]


@pytest.fixture(scope="module")
def postgresql():
    """Address of a new server; it refuses to run as root, so then it runs as its own user."""
    binaries = BINARIES[-1].parent
    root = getpass.getuser() == "root"
    switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    directory = Path(tempfile.mkdtemp(prefix="fmnist-postgresql-"))
    if root:
        shutil.chown(directory, "postgres", "postgres")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    def run(*words):
        command = [*switch, *map(str, words)]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    data = directory / "data"
    run(binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "-N")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {directory} -c max_connections=200"
    ctl = binaries / "pg_ctl"
    run(ctl, "-D", data, "-l", directory / "log", "-w", "-t", "300", "-o", options, "start")
    yield f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres"
    run(ctl, "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(directory, ignore_errors=True)


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
