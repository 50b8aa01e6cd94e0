"""A small finished training run, as the flow hands it to the tracking."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.plotting import Picture
from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.release import GatesConfig, TrackingConfig
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.data.version import DataVersion
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.registry.gates import Measures
from fmnist_lib.registry.idempotent_runs import KEY
from fmnist_lib.registry.runs import RunIdentity, TrainingRecord
from fmnist_lib.registry.store import client, prepare_store
from fmnist_lib.serving.mlflow_model import write_mlflow_model

GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)
REASON = "every trial failed: out of memory"


@pytest.fixture(scope="session")
def champion(train_images, train_labels):
    pipeline = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    return pipeline.fit(train_images[:600], train_labels[:600])


@pytest.fixture(scope="session")
def leaderboard():
    columns = [
        "candidate",
        "engine",
        "status",
        "validation_accuracy",
        "accuracy_low",
        "accuracy_high",
        "validation_log_loss",
        "fit_seconds",
        "predict_ms_per_image",
        "model_mb",
        "trials",
        "search_seconds",
        "description",
    ]
    nan = float("nan")
    rows = [
        ("fast", "optuna", "winner", 0.85, 0.84, 0.86, 0.4, 2.0, 0.1, 0.06, 60, 30.0, "pixels"),
        ("plain", "baseline", "baseline", 0.1, 0.09, 0.11, 2.3, 0.1, 0.1, 0.01, 0, 0.0, "majority"),
        ("broken", "tpot", f"failed: {REASON}", nan, nan, nan, nan, nan, nan, nan, 3, 9.0, ""),
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="session")
def trials():
    values = [0.5 + 0.005 * number for number in range(60)]
    frame = pd.DataFrame({"number": range(60), "state": "complete", "value": values})
    frame["C"] = 0.1
    frame["seconds"] = frame["number"] + 1.0
    frame.loc[10, ["state", "value"]] = ["pruned", 0.99]
    frame.loc[11, ["state", "value"]] = ["failed", float("nan")]
    return frame


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
def make_record(leaderboard, trials, make_measures):
    def make(origin="official", run_id="1747", accuracy=0.84, **measures):
        version = DataVersion(
            origin=origin,
            location="data",
            fingerprint="f" * 64,
            splits={"train": "a" * 64, "validation": "b" * 64, "test": "c" * 64},
        )
        return TrainingRecord(
            identity=RunIdentity(
                flow="FashionMnistTrain",
                run_id=run_id,
                pathspec=f"FashionMnistTrain/{run_id}/publish/9",
                user="ci",
                git_commit="0123abc",
            ),
            settings=read_settings(DEFAULT_CONFIG).model_copy(update={"gates": GATES}),
            data_version=version,
            leaderboard=leaderboard,
            candidates={"fast": {"params": {"C": 0.1, "features": "pixels"}, "trials": trials}},
            test_metrics={
                "accuracy": accuracy,
                "accuracy_low": accuracy - 0.01,
                "accuracy_high": accuracy + 0.01,
                "macro_f1": 0.83,
            },
            measures=make_measures(accuracy, origin=origin, **measures),
            pictures=(Picture("confusion", "Confusion", "Which classes", b"\x89PNG confusion"),),
        )

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
