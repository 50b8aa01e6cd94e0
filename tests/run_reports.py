"""Reports of a small finished run, for the tests of what reads them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from fmnist_lib.common.candidate_result import CandidateResult
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.plotting import new_figure, picture
from fmnist_lib.common.run_report import (
    BundleInfo,
    Publication,
    RunIdentity,
    RunReport,
    TrackedRun,
)
from fmnist_lib.common.statistics import Estimate
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG, EvaluationConfig
from fmnist_lib.evaluation.leaderboard import leaderboard
from fmnist_lib.evaluation.metrics import evaluate

REASON = "every trial failed: out of memory"


def run_report(n_correct=9131, n_images=10_000, run_id="1747", origin="official", **changes):
    """Return the report of a run with three candidates, the last of which failed.

    Parameters
    ----------
    n_correct, n_images : int
        Test images that the winner classifies correctly, and all of them. Of two winners tested
        on as many images, the better one is correct wherever the other one is.
    run_id, origin : str
    **changes
        Other attributes of `RunReport`.
    """
    labels, probabilities = _predictions(n_correct, n_images)
    settings = read_settings(DEFAULT_CONFIG).model_dump(mode="json")
    identity = RunIdentity(
        flow="FashionMnistTrain",
        run_id=run_id,
        pathspec=f"FashionMnistTrain/{run_id}/publish/9",
        user="ci",
        git_commit="0123abc",
    )
    usual = {
        "identity": identity,
        "created": 1_767_323_040_000,
        "settings": settings,
        "data_version": data_version(origin),
        "labels": {"train": labels[:80], "validation": labels[:20], "test": labels},
        "candidates": _candidates(),
        "leaderboard": leaderboard(_candidates()),
        "evaluation": evaluate(labels, probabilities, EvaluationConfig(), seed=0),
        "test_probabilities": probabilities,
        "ms_per_image": 0.5,
        "pictures": (_confusion(),),
        "drift_verdict": "No drift: none of 11 tests rejects.",
    }
    return RunReport(**(usual | changes))


def publication(directory):
    """Return where a run was published: a bundle in a directory, and an MLflow server."""
    tracked = TrackedRun(
        run_id="0" * 32,
        model_uri="models:/fashion-mnist/3",
        model_name="fashion-mnist",
        model_version="3",
        alias="champion",
        tracking_uri="http://mlflow:5000",
    )
    bundle = BundleInfo(directory / "bundles" / "run.zip", "e" * 64, (), 38_400_000)
    return Publication(bundle, tracked, problem=None)


def data_version(origin="official"):
    splits = {"train": "a" * 64, "validation": "b" * 64, "test": "c" * 64}
    return DataVersion(origin, "data", "f" * 64, splits)


def _predictions(n_correct, n_images):
    """Return labels, and probabilities as confident as they are often correct."""
    labels = (np.arange(n_images) % 10).astype(np.uint8)
    correct = np.random.default_rng(0).permutation(np.arange(n_images) < n_correct)
    accuracy = n_correct / n_images
    probabilities = np.full((n_images, 10), (1 - accuracy) / 9)
    probabilities[np.arange(n_images), np.where(correct, labels, (labels + 1) % 10)] = accuracy
    return labels, probabilities


def trials():
    values = [0.5 + 0.005 * number for number in range(60)]
    frame = pd.DataFrame({"number": range(60), "state": "complete", "value": values})
    frame["C"] = 0.1
    frame["seconds"] = frame["number"] + 1.0
    frame.loc[10, ["state", "value"]] = ["pruned", 0.99]
    frame.loc[11, ["state", "value"]] = ["failed", float("nan")]
    return frame


@cache
def _candidates():
    fast = CandidateResult(
        id="fast",
        engine="optuna",
        description="a kernel",
        validation_accuracy=Estimate(0.85, 0.84, 0.86),
        validation_log_loss=0.4,
        params={"C": 0.1, "features": "pixels"},
        trials=trials(),
        search_seconds=30.0,
        fit_seconds=2.0,
        fit_rows=100,
        predict_ms_per_image=0.21,
        model_mb=14.2,
    )
    plain = CandidateResult(
        id="plain",
        engine="baseline",
        description="majority",
        validation_accuracy=Estimate(0.1, 0.09, 0.11),
        validation_log_loss=2.3,
        fit_seconds=0.1,
        predict_ms_per_image=0.1,
        model_mb=0.01,
    )
    return fast, plain, CandidateResult("broken", "tpot", search_seconds=9.0, error=REASON)


@cache
def _confusion():
    figure = new_figure(7.5, 6.5)
    figure.subplots().imshow([[1, 0], [0, 1]])
    return picture(figure, "confusion", "Confusion matrix", "The colour is the share.")
