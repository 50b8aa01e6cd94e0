"""A small finished training run, as the flow hands it to the tracking."""

from __future__ import annotations

import contextlib

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.config import DEFAULT_CONFIG, TrackingConfig, read_settings
from fmnist_lib.data.version import DataVersion
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.plotting import Picture
from fmnist_lib.tracking.model import save_model
from fmnist_lib.tracking.runs import RunIdentity, TrainingRecord
from fmnist_lib.tracking.store import prepare_store

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
        ("fast", "optuna", "champion", 0.85, 0.84, 0.86, 0.4, 2.0, 0.1, 0.06, 60, 30.0, "pixels"),
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
def make_record(leaderboard, trials):
    def make(origin="official", run_id="1747", accuracy=0.84):
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
            settings=read_settings(DEFAULT_CONFIG),
            data_version=version,
            leaderboard=leaderboard,
            candidates={"fast": {"params": {"C": 0.1, "features": "pixels"}, "trials": trials}},
            test_metrics={
                "accuracy": accuracy,
                "accuracy_low": accuracy - 0.01,
                "accuracy_high": accuracy + 0.01,
                "macro_f1": 0.83,
            },
            pictures=(Picture("confusion", "Confusion", "Which classes", b"\x89PNG confusion"),),
        )

    return make


@pytest.fixture
def saved_model(champion, test_images, tmp_path):
    return save_model(champion, test_images[:16], tmp_path / "model")


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
