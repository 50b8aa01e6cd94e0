"""A real ``mlflow server`` with its artifact proxy on 127.0.0.1."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import replace

import pytest
import requests

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.registry import promotion_lock
from fmnist_lib.registry.promotion import promote
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.spool import spool_run, spooled_runs
from fmnist_lib.registry.store import StoreAddress, client, prepare_store
from tests.ports import free_port

GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)


class Server:
    """``mlflow server`` with its artifact proxy, on a port of its own, to be killed at will."""

    def __init__(self, directory):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.directory = directory
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.directory}/mlruns/mlflow.db"]
        command += ["--artifacts-destination", str(self.directory / "proxied")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        for _ in range(600):
            try:
                if requests.get(f"{self.uri}/health", timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError((self.directory / "server.log").read_text())

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(fresh_database, tmp_path):
    shutil.copytree(fresh_database, tmp_path / "root")
    server = Server(tmp_path / "root")
    server.start()
    yield server
    server.kill()


@pytest.mark.slow
@pytest.mark.long
def test_a_server_killed_at_random_moments_gets_every_run_once_and_whole(
    server, make_record, saved_model, contents, tmp_path, monkeypatch, fmnist
):
    # A promotion that the kill has interrupted blocks the next ones for this long.
    monkeypatch.setattr(promotion_lock, "STALE_SECONDS", 3.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    config = TrackingConfig(experiment="proxied")

    def attempt(number):
        record = make_record(run_id=f"{number:03}")
        tracking = record.settings["tracking"] | {"experiment": "proxied"}
        record = replace(record, settings=record.settings | {"tracking": tracking})
        try:
            log_training_run(
                prepare_store(StoreAddress(config, tmp_path, server.uri)), record, saved_model
            )
        except TrackingError as error:
            spool_run(tmp_path / "mlruns" / "spool", record, saved_model, str(error))
            return False
        return True

    start = time.monotonic()
    assert attempt(0)
    duration = time.monotonic() - start
    moments = random.Random(20)  # noqa: S311 (no secret)
    for number in range(1, 7):
        killer = threading.Timer(moments.uniform(0, duration), server.kill)
        killer.start()
        attempt(number)
        killer.join()
        server.start()
    late = len(spooled_runs(tmp_path / "mlruns" / "spool"))
    assert late >= 3
    toml = tmp_path / "proxied.toml"
    toml.write_text(
        '[tracking]\nexperiment = "proxied"\n'
        '[[search.candidates]]\nid = "a"\nengine = "optuna"\nfamilies = ["logistic"]\n'
    )
    sync = ("registry", "sync", "--config", toml, "--root", tmp_path)
    status, output, _ = fmnist(*sync)
    assert status == 0
    assert output.count(" is models:/fashion-mnist/") == late
    assert fmnist(*sync)[0] == 0
    found = contents(server.uri, "proxied")
    assert len(found) == 7 * 4
    for name in ("", "/fast", "/plain", "/broken"):
        first, *others = [found[f"FashionMnistTrain/{number:03}{name}"] for number in range(7)]
        assert all(other == first for other in others)
    registry = client(server.uri)
    versions = registry.search_model_versions("name = 'fashion-mnist'")
    by_run = [version.tags["metaflow.run_id"] for version in versions]
    assert sorted(by_run) == [f"{number:03}" for number in range(7)]
    assert all("promotion" in version.tags for version in versions)
    assert {version.status for version in versions} == {"READY"}


@pytest.mark.slow
@pytest.mark.long
def test_of_twenty_concurrent_promotions_one_is_champion_and_all_are_in_the_audit_log(
    server, promote_concurrently, tmp_path
):
    store = prepare_store(StoreAddress(TrackingConfig(), tmp_path, server.uri))
    promote_concurrently(store, 20)
    names = {model.name for model in client(store.uri).search_registered_models()}
    assert names == {"fashion-mnist", "fashion-mnist-promotions"}


@pytest.mark.slow
def test_a_promotion_that_is_too_slow_or_dead_does_not_block_the_next_one_or_move_the_alias(
    server, make_measures, tmp_path, monkeypatch
):
    monkeypatch.setattr(promotion_lock, "STALE_SECONDS", 1.0)
    store = prepare_store(StoreAddress(TrackingConfig(), tmp_path, server.uri))
    registry = client(store.uri)
    registry.create_registered_model("m")
    measures = make_measures()
    version = registry.create_model_version(
        "m", "s3://bucket/model", tags=measures.as_tags()
    ).version
    with promotion_lock.promotion_lock(store.uri, "m") as check_lock:
        check_lock()
        assert promote(store, "m", str(version), measures, GATES).promoted
        with pytest.raises(TrackingError, match=r"within .* seconds, timed out"):
            check_lock()
    assert str(registry.get_model_version_by_alias("m", "champion").version) == str(version)


@pytest.mark.slow
def test_a_password_reaches_no_file_of_the_server_nor_of_the_spool(
    server, make_record, saved_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://user:hushword@127.0.0.1:{server.port}"
    store = prepare_store(StoreAddress(TrackingConfig(experiment="proxied"), tmp_path, uri))
    tracked = log_training_run(store, make_record(run_id="001"), saved_model)
    assert tracked.tracking_uri == server.uri
    server.kill()
    with pytest.raises(TrackingError) as refused:
        log_training_run(store, make_record(run_id="002"), saved_model)
    spool = tmp_path / "root" / "spool"
    spool_run(spool, make_record(run_id="002"), saved_model, str(refused.value))
    assert "hushword" not in "".join(traceback.format_exception(refused.value))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"mlflow.db", "problem.txt", "leaderboard.csv"} <= {path.name for path in files}
    assert not [path for path in files if b"hushword" in path.read_bytes()]
    server.start()
