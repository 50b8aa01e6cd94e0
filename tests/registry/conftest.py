"""A small finished training run, as the flow hands it to the tracking."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.registry.audit_log import read_audit_log
from fmnist_lib.registry.gates import Measures
from fmnist_lib.registry.idempotent_runs import KEY
from fmnist_lib.registry.promotion import promote
from fmnist_lib.registry.store import StoreAddress, client, prepare_store
from fmnist_lib.serving.mlflow_model import write_mlflow_model
from tests.run_reports import run_report

NAME = "fashion-mnist"
GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)
KILLED = """
import os, signal, sys
from fmnist_lib.registry.audit_log import open_entry
from fmnist_lib.registry.promotion_lock import promotion_lock
from fmnist_lib.registry.store import StoreAddress, client

uri, name = sys.argv[1:]
with promotion_lock(uri, name), open_entry(client(uri), name, "1", "promote", "ci"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="session")
def champion(train_images, train_labels):
    pipeline = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    return pipeline.fit(train_images[:600], train_labels[:600])


@pytest.fixture(scope="session")
def make_measures():
    """Measures of a model that passes every gate of `GATES`, unless told otherwise."""

    def make(accuracy=0.84, n_images=1000, seed=0, **changes):
        n_right = round(accuracy * n_images)
        correct = np.random.default_rng(seed).permutation(np.arange(n_images) < n_right)
        usual = {
            "accuracy": wilson(n_right, n_images),
            "lowest_class": "Shirt",
            "lowest_recall": 0.6,
            "calibration_error": 0.02,
            "ms_per_image": 0.5,
            "model_mb": 3.0,
            "origin": "official",
            "test_set": "c" * 64,
            "correct": correct,
        }
        return Measures(**(usual | changes))

    return make


@pytest.fixture(scope="session")
def promote_concurrently(make_measures):
    """Return a function that promotes so many new versions at once and checks the outcome."""

    def run(store, number):
        registry = client(store.uri)
        registry.create_registered_model(NAME)
        jobs, decisions, errors = [], [], []
        for one in range(number):
            measures = make_measures(0.7 + 0.01 * one)
            version = registry.create_model_version(
                NAME, "s3://bucket/model", tags=measures.as_tags()
            )
            jobs.append((str(version.version), measures))
        start = threading.Barrier(number)

        def attempt(version, measures):
            start.wait()
            try:
                decisions.append(promote(store, NAME, version, measures, GATES, by=f"ci-{version}"))
            except Exception as error:  # noqa: BLE001 (shown by the assertion below)
                errors.append(error)

        threads = [threading.Thread(target=attempt, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert len(decisions) == number
        log = read_audit_log(registry, NAME)
        assert [entry.number for entry in log] == list(range(1, number + 1))
        assert {entry.version for entry in log} == {version for version, _ in jobs}
        assert {entry.outcome for entry in log} <= {"promoted", "refused"}
        assert all(len(entry.gates) == 9 for entry in log)
        # Each was compared with the champion at that time, so the champions only get better.
        present, accuracy = None, 0.0
        measured = {version: measures.accuracy.value for version, measures in jobs}
        for entry in log:
            assert entry.before == present
            if entry.outcome == "promoted":
                assert measured[entry.version] > accuracy
                present, accuracy = entry.version, measured[entry.version]
        assert present == str(number)
        assert str(registry.get_model_version_by_alias(NAME, "champion").version) == present
        return log

    return run


@pytest.fixture
def killed_promotion():
    """Return a function that promotes in a process which is killed before it moves the alias."""

    def run(store, name):
        registry = client(store.uri)
        with contextlib.suppress(MlflowException):
            registry.create_registered_model(name)
        registry.create_model_version(name, "s3://bucket/model")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, store.uri, name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        (entry,) = read_audit_log(registry, name)
        assert entry.outcome == "open"

    return run


@pytest.fixture(scope="session")
def make_record():
    """Return a function that makes the report of a run that passes every gate of `GATES`."""

    def make(origin="official", run_id="1747", accuracy=0.84):
        report = run_report(round(1000 * accuracy), 1000, run_id, origin)
        return replace(report, settings=report.settings | {"gates": GATES.model_dump(mode="json")})

    return make


@pytest.fixture
def saved_model(champion, test_images, tmp_path):
    saved = save_model(champion, test_images[:16], tmp_path / "model")
    return write_mlflow_model(saved, champion, test_images, tmp_path / "mlflow")


@pytest.fixture
def store(fresh_database, tmp_path):
    root = Path(shutil.copytree(fresh_database, tmp_path / "root"))
    # The copied database still names the original's artifact directory.
    return prepare_store(StoreAddress(TrackingConfig(experiment="copy"), root))


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """The working directory while the store is made; it should stay empty."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory, elsewhere):
    """A migrated store with no runs: copied by tests, so that the migration runs once."""
    root = tmp_path_factory.mktemp("store with a space")
    with contextlib.chdir(elsewhere):
        prepare_store(StoreAddress(TrackingConfig(), root))
    return root


@pytest.fixture(scope="session")
def contents():
    """Return a function that reads everything that two deliveries of a run must have in common."""
    return _contents


def _contents(uri, experiment):
    """Return what the store holds of every run and two deliveries must have in common."""
    tracking = client(uri)
    experiment_id = tracking.get_experiment_by_name(experiment).experiment_id
    found = {}
    for run in tracking.search_runs([experiment_id]):
        key = run.data.tags[KEY]
        assert key not in found, f"{key} twice"
        found[key] = (
            run.info.status,
            run.data.params,
            {
                name: [(metric.step, metric.value) for metric in history]
                for name in run.data.metrics
                for history in [tracking.get_metric_history(run.info.run_id, name)]
            },
            sorted(one.dataset.name for one in run.inputs.dataset_inputs),
            len(run.outputs.model_outputs) if run.outputs else 0,
            sorted(file.path for file in tracking.list_artifacts(run.info.run_id)),
        )
    return found
