"""A finished run, as the flow hands it to the release."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.plotting import new_figure, picture
from fmnist_lib.config.base import PROJECT_ROOT
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.data.version import DataVersion
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.release.bundle import BundleContents
from fmnist_lib.release.summary import RunSummary

COLUMNS = [
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
METRICS = {
    "accuracy": 0.9131,
    "accuracy_low": 0.9074,
    "accuracy_high": 0.9185,
    "macro_f1": 0.9127,
    "log_loss": 0.2441,
    "n_images": 10_000.0,
}


@pytest.fixture(scope="session")
def leaderboard():
    row = (
        "fast",
        "optuna",
        "winner",
        0.91,
        0.9,
        0.92,
        0.25,
        48.0,
        0.21,
        14.2,
        31,
        60.0,
        "kernel",
    )
    failed = ("tpot", "tpot", "failed: out of memory", *[None] * 7, 0, 9.0, "")
    return pd.DataFrame([row, failed], columns=COLUMNS)


@pytest.fixture(scope="session")
def data_version():
    splits = {"train": "a" * 64, "validation": "b" * 64, "test": "c" * 64}
    return DataVersion("official", "data", "f" * 64, splits)


@pytest.fixture(scope="session")
def splits(train_images, train_labels, test_images, test_labels):
    return {
        "train": (train_images[:600], train_labels[:600]),
        "validation": (train_images[600:800], train_labels[600:800]),
        "test": (test_images, test_labels),
    }


@pytest.fixture(scope="session")
def contents(splits, leaderboard, data_version, tmp_path_factory):
    fitted = make_pipeline(Pixels(), LogisticRegression(max_iter=200)).fit(*splits["train"])
    # What the flow evaluates came out of its datastore, where it was pickled.
    champion = pickle.loads(pickle.dumps(fitted))
    directory = tmp_path_factory.mktemp("model")
    save_model(champion, splits["test"][0][:20], directory)
    return BundleContents(
        splits=splits,
        data_version=data_version,
        model_directory=directory,
        settings=read_settings(DEFAULT_CONFIG),
        leaderboard=leaderboard,
        metrics=METRICS,
        test_probabilities=champion.predict_proba(splits["test"][0]),
        source_root=PROJECT_ROOT,
        identity={"metaflow": "FashionMnistTrain/1747"},
    )


@pytest.fixture(scope="session")
def confusion():
    figure = new_figure(7.5, 6.5)
    figure.subplots().imshow([[1, 0], [0, 1]])
    return picture(figure, "confusion", "Confusion matrix", "The colour is the share.")


@pytest.fixture
def make_summary(leaderboard, data_version, confusion, tmp_path):
    def make(**changes):
        summary = {
            "flow": "FashionMnistTrain",
            "run_id": "1747",
            "user": "ci",
            "created": "2026-01-02 03:04 UTC",
            "seed": 20,
            "data_version": data_version,
            "leaderboard": leaderboard,
            "metrics": METRICS,
            "confidence": 0.95,
            "confused_pairs": [SimpleNamespace(actual=6, predicted=0, count=97, share=0.097)],
            "confusion": confusion,
            "drift_verdict": "No drift: none of 11 tests rejects.",
            "tracked": SimpleNamespace(
                run_id="0" * 32,
                model_name="fashion-mnist",
                model_version="3",
                alias="champion",
                tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db",
            ),
            "bundle": SimpleNamespace(
                path=tmp_path / "bundles" / "run.zip", sha256="e" * 64, size_bytes=38_400_000
            ),
        }
        return RunSummary(**(summary | changes))

    return make
