"""A small finished training run, as the flow hands it to the tracking."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.registry.gates import Measures
from fmnist_lib.registry.idempotent_runs import KEY
from fmnist_lib.registry.store import client, prepare_store
from fmnist_lib.serving.mlflow_model import write_mlflow_model
from tests.run_reports import run_report

GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)


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
    return prepare_store(TrackingConfig(experiment="copy"), root)


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """The working directory while the store is made; it should stay empty."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory, elsewhere):
    """A migrated store with no runs: copied by tests, so that the migration runs once."""
    root = tmp_path_factory.mktemp("store with a space")
    with contextlib.chdir(elsewhere):
        prepare_store(TrackingConfig(), root)
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
