from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.common.errors import DatastoreError
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.common.statistics import Estimate, PairedComparison
from fmnist_lib.config.release import GatesConfig
from fmnist_lib.config.training import EvaluationConfig
from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.evaluation.conformal import evaluate_sets
from fmnist_lib.evaluation.metrics import evaluate
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.predictor import predictions
from fmnist_lib.registry.spool import spooled_runs
from fmnist_lib.release import pdf
from fmnist_lib.release.archive import verify
from fmnist_lib.release.pdf import BROWSERS, print_pdf
from fmnist_lib.release.summary import render_summary
from fmnist_lib.workflows import publish as workflow
from fmnist_lib.workflows.model_source import load
from fmnist_lib.workflows.publish import publish
from fmnist_lib.workflows.report import build_report
from fmnist_lib.workflows.retrain import Contest
from tests.run_reports import run_report

NOWHERE = "http://127.0.0.1:9"
LENIENT = GatesConfig(
    min_accuracy=0.5, min_accuracy_low=0.4, min_class_recall=0, max_calibration_error=0.5
)


@pytest.fixture(scope="module")
def dataset(train_images, train_labels, test_images, test_labels):
    splits = [slice(0, 600), slice(600, 700)]
    train, validation = (Split(train_images[rows], train_labels[rows]) for rows in splits)
    return Dataset(train, validation, Split(test_images[:300], test_labels[:300]))


@pytest.fixture(scope="module")
def winner(dataset):
    pipeline = make_pipeline(Pixels(), LogisticRegression(max_iter=50))
    return pipeline.fit(dataset.train.images, dataset.train.labels)


@pytest.fixture
def make_report(dataset, winner, tmp_path):
    usual, test = run_report(), dataset.test
    probabilities = winner.predict_proba(test.images)
    settings = usual.settings | {
        "gates": LENIENT.model_dump(mode="json"),
        "tracking": usual.settings["tracking"] | {"spool": str(tmp_path / "spool")},
        "release": usual.settings["release"] | {"directory": str(tmp_path / "bundles")},
    }

    def make(**changes):
        return build_report(
            dataset,
            winner,
            identity=usual.identity,
            settings=settings,
            data_version=usual.data_version,
            candidates=usual.candidates,
            leaderboard=usual.leaderboard,
            evaluation=evaluate(test.labels, probabilities, EvaluationConfig(), seed=0),
            test_probabilities=probabilities,
            pictures=usual.pictures,
            drift_verdict="no drift found",
            **changes,
        )

    return make


def test_a_run_is_published_even_when_mlflow_is_unavailable(make_report, dataset, winner):
    cards = {"start": "<p>the card</p>"}
    built = make_report()
    report = publish(built, dataset, winner, PROJECT_ROOT, NOWHERE, cards=cards)
    bundle = report.publication.bundle
    assert report.publication.tracked is None
    assert report.publication.promoted
    (waits,) = spooled_runs(Path(report.settings["tracking"]["spool"]))
    assert waits.name == "FashionMnistTrain-1747"
    page = bundle.path.with_suffix(".html").read_text()
    assert page == render_summary(report)
    assert "fmnist_lib registry sync" in page
    assert "not logged" in page
    with zipfile.ZipFile(bundle.path) as archive:
        pages = {n: archive.read(n).decode() for n in archive.namelist() if n.endswith(".html")}
    assert pages["cards/start.html"] == "<p>the card</p>"
    assert "<dt>Run by</dt><dd><bdi>ci</bdi>" in pages["summary.html"]
    assert "Model card" in pages["model-card.html"]
    assert "Datasheet" in pages["datasheet.html"]
    again = publish(built, dataset, winner, PROJECT_ROOT, NOWHERE, cards=cards)
    assert again.publication.bundle.sha256 == bundle.sha256


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no chromium")
def test_the_summary_is_printed_into_the_bundle_and_beside_it(make_report, dataset, winner):
    report = publish(make_report(), dataset, winner, PROJECT_ROOT, NOWHERE)
    bundle = report.publication.bundle.path
    with zipfile.ZipFile(bundle) as archive:
        packed = archive.read("summary.pdf")
        assert packed == print_pdf(archive.read("summary.html").decode())
    beside = bundle.with_suffix(".pdf").read_bytes()
    assert beside.startswith(b"%PDF")
    assert beside == print_pdf(bundle.with_suffix(".html").read_text())
    assert beside != packed
    assert verify(bundle) == []


def test_without_a_browser_the_summary_is_html_only_and_nothing_is_left_of_a_killed_run(
    make_report, dataset, winner, monkeypatch
):
    bundle = Path(make_report().settings["release"]["directory"]) / "FashionMnistTrain-1747.zip"
    bundle.parent.mkdir(parents=True)
    bundle.with_suffix(".pdf").write_bytes(b"of an earlier attempt")
    bundle.with_name(".FashionMnistTrain-1746.html.99999999-1.part").touch()
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    publish(make_report(), dataset, winner, PROJECT_ROOT, NOWHERE)
    assert sorted(path.suffix for path in bundle.parent.iterdir()) == [".html", ".zip"]
    with zipfile.ZipFile(bundle) as archive:
        assert "summary.html" in archive.namelist()
        assert "summary.pdf" not in archive.namelist()


def test_bundle_summary_and_registry_name_the_same_run(make_report, dataset, winner, tmp_path):
    report = make_report()
    identity = replace(report.identity, run_id="8")
    database = f"sqlite:///{tmp_path}/mlflow.db"
    report = publish(replace(report, identity=identity), dataset, winner, PROJECT_ROOT, database)
    bundle, tracked = report.publication.bundle, report.publication.tracked
    assert tracked.alias == "champion", tracked.decision.reason
    assert report.publication.promoted
    page = render_summary(report)
    assert tracked.run_id in page
    assert bundle.sha256 in page
    assert bundle.path.name == "FashionMnistTrain-8.zip"


def test_a_run_that_cannot_store_its_results_fails_and_is_not_spooled(
    make_report, dataset, winner, monkeypatch
):
    def fail():
        raise DatastoreError("read-only")

    monkeypatch.setattr(workflow, "prepare_store", lambda _: None)
    monkeypatch.setattr(workflow, "log_training_run", lambda *arguments: arguments[-1]())
    report = make_report()
    with pytest.raises(DatastoreError, match="read-only"):
        publish(report, dataset, winner, PROJECT_ROOT, NOWHERE, before_alias=fail)
    assert spooled_runs(Path(report.settings["tracking"]["spool"])) == []


def test_a_retrained_model_that_is_not_better_does_not_become_champion(
    make_report, dataset, winner, tmp_path
):
    accuracy = Estimate(0.7, 0.6, 0.8)
    comparison = PairedComparison(5, 5, 0.0, 1.0)
    contest = Contest(accuracy, accuracy, None, None, comparison, better=False, reason="no better")
    report = make_report(contest=contest)
    assert not publish(report, dataset, winner, PROJECT_ROOT, NOWHERE).publication.promoted
    tracked = publish(
        report, dataset, winner, PROJECT_ROOT, f"sqlite:///{tmp_path}/mlflow.db"
    ).publication.tracked
    assert tracked.alias != "champion"
    assert [gate.name for gate in tracked.decision.failed] == ["beats-champion"]


def test_the_calibration_of_prediction_sets_is_in_bundle_and_registry(
    make_report, dataset, winner, tmp_path
):
    test = dataset.test
    probabilities = winner.predict_proba(test.images)
    conformal = sorted_by_class(probabilities, test.labels)
    sets = evaluate_sets(conformal, probabilities, test.labels)
    database = f"sqlite:///{tmp_path}/mlflow.db"
    report = make_report(conformal=conformal, prediction_sets=sets)
    report = publish(report, dataset, winner, PROJECT_ROOT, database)
    bundle, tracked = report.publication.bundle, report.publication.tracked
    assert verify(bundle.path) == []
    for address in (str(bundle.path), tracked.model_uri):
        model = load(address, environment_uri=database)
        table = predictions(model, test.images, 0.9)
        assert table["set_size"].mean() == pytest.approx(sets.levels[0].mean_size)
    run = MlflowClient(database).get_run(tracked.run_id)
    assert run.data.metrics["test_sets_95_coverage"] == sets.levels[1].coverage.value
