"""A finished run, and the arguments that pack it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.release.bundle import write_bundle
from tests.run_reports import publication, run_report


@pytest.fixture(scope="session")
def contents(train_images, train_labels, test_images, test_labels, tmp_path_factory):
    """Arguments of `write_bundle`, but for the path."""
    images = {
        "train": train_images[:600],
        "validation": train_images[600:800],
        "test": test_images,
    }
    labels = {"train": train_labels[:600], "validation": train_labels[600:800], "test": test_labels}
    fitted = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    # What the flow evaluates came out of its datastore, where it was pickled.
    winner = pickle.loads(pickle.dumps(fitted.fit(images["train"], labels["train"])))
    probabilities = winner.predict_proba(test_images)
    return {
        "report": run_report(labels=labels, test_probabilities=probabilities),
        "images": images,
        "model": save_model(winner, test_images[:20], tmp_path_factory.mktemp("model")),
        "root": PROJECT_ROOT,
        "cards": {},
    }


@pytest.fixture(scope="session")
def small_bundle(contents, tmp_path_factory):
    """A bundle with twenty images per split, which cannot be reproduced."""
    report, images = contents["report"], contents["images"]
    labels = {name: values[:20] for name, values in report.labels.items()}
    small = contents | {
        "images": {name: values[:20] for name, values in images.items()},
        "report": replace(report, labels=labels),
    }
    return write_bundle(tmp_path_factory.mktemp("archive") / "run.zip", **small).path


@pytest.fixture
def published(tmp_path):
    """Return a function that makes the report of a published run."""
    usual = publication(tmp_path)
    own = replace(usual.tracked, tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")

    def make(**changes):
        return run_report(**({"publication": replace(usual, tracked=own)} | changes))

    return make
