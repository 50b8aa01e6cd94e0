"""Promotions against Debian's PostgreSQL, started here on 127.0.0.1."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.registry.audit_log import entries
from fmnist_lib.registry.promotion import promote, rollback
from fmnist_lib.registry.store import client, prepare_store

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
    postgresql, make_measures, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "40")
    store = prepare_store(TrackingConfig(), tmp_path, postgresql)
    registry = client(store.uri)
    registry.create_registered_model(NAME)
    jobs, decisions = [], []
    for number in range(N_PROMOTIONS):
        measures = make_measures(0.7 + 0.01 * number)
        version = registry.create_model_version(NAME, "file:///x", tags=measures.as_tags())
        jobs.append((str(version.version), measures))
    start = threading.Barrier(N_PROMOTIONS)

    def run(version, measures):
        start.wait()
        decisions.append(promote(store, NAME, version, measures, GATES, by=f"ci-{version}"))

    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(decisions) == N_PROMOTIONS
    trail = entries(registry, NAME)
    assert [entry.number for entry in trail] == list(range(1, N_PROMOTIONS + 1))
    assert {entry.version for entry in trail} == {version for version, _ in jobs}
    assert {entry.outcome for entry in trail} <= {"promoted", "refused"}
    assert all(len(entry.gates) == 9 for entry in trail)
    # Each was compared with the champion at that time, so the champions only get better.
    present, accuracy = None, 0.0
    measured = {version: measures.accuracy.value for version, measures in jobs}
    for entry in trail:
        assert entry.before == present
        if entry.outcome == "promoted":
            assert measured[entry.version] > accuracy
            present, accuracy = entry.version, measured[entry.version]
    holder = registry.get_model_version_by_alias(NAME, "champion")
    assert str(holder.version) == present == str(N_PROMOTIONS)
    before = [entry.version for entry in trail if entry.outcome == "promoted"][:-1]
    if before:
        assert rollback(store, NAME).version == before[-1]
