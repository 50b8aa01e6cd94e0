from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.base import PROJECT_ROOT
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.release import GatesConfig
from fmnist_lib.config.training import DEFAULT_CONFIG, EvaluationConfig
from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.data.version import DataVersion
from fmnist_lib.evaluation.figures import evaluation_pictures
from fmnist_lib.evaluation.leaderboard import leaderboard
from fmnist_lib.evaluation.metrics import evaluate
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.registry.runs import RunIdentity
from fmnist_lib.registry.spool import waiting
from fmnist_lib.search.engines.result import CandidateResult
from fmnist_lib.workflows.publish import TrainingOutcome, publish

IDENTITY = RunIdentity("FashionMnistTrain", "7", "FashionMnistTrain/7/publish/1", "tester")


@pytest.fixture(scope="module")
def outcome(train_images, train_labels, test_images, test_labels, tmp_path_factory):
    splits = [slice(0, 600), slice(600, 700)]
    train, validation = (Split(train_images[rows], train_labels[rows]) for rows in splits)
    dataset = Dataset(train, validation, Split(test_images[:300], test_labels[:300]))
    champion = make_pipeline(Pixels(), LogisticRegression(max_iter=50))
    champion.fit(train.images, train.labels)
    probabilities = champion.predict_proba(dataset.test.images)
    result = CandidateResult(
        id="a",
        engine="optuna",
        validation_accuracy=wilson(80, 100),
        validation_log_loss=0.5,
        validation_correct=np.arange(100) < 80,
    )
    table = leaderboard([result])
    evaluation = evaluate(dataset.test.labels, probabilities, EvaluationConfig(), seed=0)
    settings = read_settings(DEFAULT_CONFIG)
    lenient = GatesConfig(
        min_accuracy=0.5, min_accuracy_low=0.4, min_class_recall=0, max_calibration_error=0.5
    )
    spool = str(tmp_path_factory.mktemp("waiting"))
    tracking = settings.tracking.model_copy(update={"spool": spool})
    bundles = settings.release.model_copy(
        update={"directory": str(tmp_path_factory.mktemp("bundles"))}
    )
    return TrainingOutcome(
        settings=settings.model_copy(
            update={"release": bundles, "gates": lenient, "tracking": tracking}
        ),
        dataset=dataset,
        data_version=DataVersion("official", "somewhere", "f" * 64, {}),
        results=[result],
        leaderboard=table,
        champion=champion,
        evaluation=evaluation,
        test_probabilities=probabilities,
        pictures=evaluation_pictures(table, evaluation, dataset.test.images),
        drift_verdict="no drift found",
        cards={"start": "<p>the card</p>"},
    )


def test_a_run_is_published_even_when_mlflow_is_unavailable(outcome):
    published = publish(outcome, IDENTITY, PROJECT_ROOT, "http://127.0.0.1:9")
    assert published.tracked is None
    (waits,) = waiting(Path(outcome.settings.tracking.spool))
    assert waits.name == "FashionMnistTrain-7"
    assert "fmnist_lib registry sync" in published.summary_html
    assert published.bundle.path.stat().st_size > 0
    assert "not logged" in published.summary_html
    with zipfile.ZipFile(published.bundle.path) as archive:
        pages = {n: archive.read(n).decode() for n in archive.namelist() if n.endswith(".html")}
    assert pages["cards/start.html"] == "<p>the card</p>"
    assert "Model card" in pages["model-card.html"]
    assert "Datasheet" in pages["datasheet.html"]
    assert published.bundle.path.with_suffix(".html").read_text() == published.summary_html
    again = publish(outcome, IDENTITY, PROJECT_ROOT, "http://127.0.0.1:9")
    assert again.bundle.sha256 == published.bundle.sha256


def test_bundle_summary_and_registry_name_the_same_run(outcome, tmp_path):
    identity = dataclasses.replace(IDENTITY, run_id="8")
    published = publish(outcome, identity, PROJECT_ROOT, f"sqlite:///{tmp_path}/mlflow.db")
    assert published.tracked.alias == "champion", published.tracked.decision.reason
    assert published.tracked.run_id in published.summary_html
    assert published.bundle.sha256 in published.summary_html
    assert published.bundle.path.name == "FashionMnistTrain-8.zip"
