from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cards.stress import stress_card
from fmnist_lib.common.candidate_result import CandidateResult
from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.search import SearchConfig
from fmnist_lib.config.stress import StressConfig
from fmnist_lib.config.training import Settings
from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.workflows.stress import measure_stress
from tests.card_reader import Card
from tests.data_versions import OFFICIAL

STRESS = StressConfig(
    rows=60,
    images_per_class=10,
    typical_images=1,
    components=8,
    min_slice=30,
    shifts=("gaussian_noise", "darker"),
)
SEARCH = SearchConfig(candidates=[{"id": "any", "engine": "optuna", "families": ["logistic"]}])


class Constant:
    """Always the first class."""

    def predict_proba(self, images):
        return np.tile(np.eye(10)[0], (len(images), 1))


@pytest.fixture(scope="module")
def dataset(train_images, train_labels, test_images, test_labels):
    return Dataset(
        Split(train_images[:1500], train_labels[:1500]),
        Split(train_images[1500:2500], train_labels[1500:2500]),
        Split(test_images, test_labels),
    )


@pytest.fixture(scope="module")
def linear(dataset):
    model = make_pipeline(Pixels(), LogisticRegression(max_iter=300))
    return model.fit(dataset.train.images, dataset.train.labels)


def entry(identifier, right, engine="optuna", **values):
    return CandidateResult(
        identifier,
        engine,
        validation_accuracy=wilson(right, 1000),
        validation_log_loss=0.3,
        validation_correct=np.arange(1000) < right,
        **values,
    )


def measure(dataset, pipelines, results, probabilities=None):
    settings = Settings(search=SEARCH, stress=STRESS)
    if probabilities is None:
        probabilities = pipelines[results[0].id].predict_proba(dataset.test.images)
    return measure_stress(results, pipelines.__getitem__, dataset, probabilities, settings)


def read(report):
    return Card(stress_card(report, OFFICIAL))


@pytest.fixture(scope="module")
def report(dataset, linear):
    results = [entry("linear", 850), entry("constant", 100), entry("broken", 0, error="why")]
    return measure(dataset, {"linear": linear, "constant": Constant()}, results)


def test_the_card_answers_where_the_winner_fails_and_what_breaks_it(report):
    card = read(report)
    assert (report.winner, report.second) == ("linear", "constant")
    assert card.title == (
        f"Worst slice: {report.slices.worst.name}, "
        f"{100 * report.slices.worst.accuracy.value:.1f} % correct; most harmful shift: "
        f"{report.robustness.curves[0].name}"
    )
    assert 3 <= len(card.boxes) <= 5
    assert len(card.charts) == 3
    assert "## linear is more accurate than constant under shifts" in card.text
    assert len(card.table("behaviour test")) == len(report.behaviours)
    assert len(card.table("slice / label")) == len(report.slices.slices)
    assert len(card.table("shift / change")) == 2 * 6


def test_every_slice_has_a_row_of_its_own_on_the_chart(report):
    drawn = [row["slice"] for row in read(report).charts[0]["data"]["values"]]
    assert len(set(drawn)) == len(drawn) == len(report.slices.slices)


def test_the_report_survives_the_datastore(report):
    copy = pickle.loads(pickle.dumps(report))
    assert read(copy).text == read(report).text


def test_the_validated_pipelines_are_asked_for_and_no_others(dataset, linear):
    asked = []

    def pipeline(name):
        asked.append(name)
        return linear

    results = [
        entry("linear", 850),
        entry("second", 840),
        entry("third", 830),
        entry("logistic", 845, "baseline"),
        entry("vote", 851, "ensemble", params={"linear": 0.6, "third": 0.4}),
    ]
    settings = Settings(search=SEARCH, stress=STRESS)
    probabilities = np.eye(10)[dataset.test.labels]
    found = measure_stress(results, pipeline, dataset, probabilities, settings)
    assert asked == ["linear", "second"]
    assert (found.winner, found.second) == ("linear", "second")
    card = read(found)
    assert card.title.startswith("No test image is misclassified; ")
    assert "no tree was fitted" in card.text
    assert "No significant difference between linear and second under shifts" in card.text


def test_an_ensemble_that_won_is_put_together_from_its_members(dataset, linear):
    vote = entry("vote", 900, "ensemble", params={"linear": 0.6, "constant": 0.4})
    results = [entry("linear", 800), entry("constant", 100), vote]
    pipelines = {"linear": linear, "constant": linear}
    found = measure(dataset, pipelines, results, linear.predict_proba(dataset.test.images))
    assert (found.winner, found.second) == ("vote", "linear")
    assert found.robustness.difference.value == 0


def test_a_single_constant_candidate_and_a_missing_class(dataset):
    rows = dataset.test.labels != 8
    lonely = Dataset(
        dataset.train,
        dataset.validation,
        Split(dataset.test.images[rows], dataset.test.labels[rows]),
    )
    found = measure(lonely, {"constant": Constant()}, [entry("constant", 100)])
    card = read(found)
    assert found.second is None
    assert "No second-best candidate: no other single candidate finished." in card.text
    assert "No test image of Bag." in card.text
    assert "No simulated shift lowers the accuracy of constant" in card.text
    assert len(card.charts) == 2
    assert len(card.boxes) == 4
    assert "below the required pass rate" in card.boxes["Behaviour tests passed"]
