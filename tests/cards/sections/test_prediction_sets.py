from __future__ import annotations

import numpy as np
import pytest
from metaflow.cards import Markdown

from cards.sections.prediction_sets import prediction_sets
from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.evaluation.conformal import evaluate_sets
from tests.card_reader import Card


def predicted(n, n_wrong, confidence=0.8):
    """Labels, and probabilities of which the last are confident of the wrong class."""
    labels = np.arange(n) % 10
    guess = np.where(np.arange(n) < n - n_wrong, labels, (labels + 1) % 10)
    rest = (1 - confidence) / 9
    probabilities = np.full((n, 10), rest) + (confidence - rest) * np.eye(10)[guess]
    # Wrong predictions are a little less confident.
    return probabilities - 0.1 * np.eye(10)[guess] * (np.arange(n) >= n - n_wrong)[:, None], labels


def card_of(calibration, test):
    return Card([Markdown("# title"), *prediction_sets(evaluate_sets(calibration, *test))])


@pytest.fixture
def card():
    return card_of(sorted_by_class(*predicted(5000, 100)), predicted(2000, 40))


def test_the_headings_say_coverage_and_what_abstention_gains(card):
    assert (
        "## Prediction sets at 95 %: 98.00 % contain the true class, with 0.98 classes on average"
        in card.sentences
    )
    assert (
        "## Accuracy of the 90 % most confident predictions: 100.00 % instead of 98.00 %"
        in card.sentences
    )
    assert "from 5,000 out-of-fold predictions" in card.text
    assert "The interval of no class is below the level." in card.text


def test_the_chart_has_every_class_and_the_level(card):
    coverage, abstention = card.charts
    assert len(coverage["data"]["values"]) == 10
    assert {"datum": 0.95} in [layer["encoding"]["x"] for layer in coverage["layer"]]
    shares = [row["share"] for row in abstention["data"]["values"]]
    assert shares == pytest.approx([n / 20 for n in range(10, 21)])
    assert "100 % 98.00 %" in card.charts[1]["description"]


def test_every_number_is_in_a_folded_table(card):
    assert [row[0] for row in card.table("level / coverage")] == ["90 %", "95 %", "99 %"]
    classes = card.table("class / images / calibration images")
    assert classes[0][:3] == ["T-shirt/top", "200", "500"]
    assert len(card.table("accepted / images")) == 11


def test_a_class_below_the_level_is_named_and_coloured():
    probabilities, labels = predicted(2000, 0)
    wrong = labels == 6
    probabilities[wrong] = np.roll(probabilities[wrong], 1, axis=1)
    card = card_of(sorted_by_class(*predicted(5000, 0)), (probabilities, labels))
    assert "Classes whose whole interval is below the level: Shirt." in card.text
    (shirt,) = [row for row in card.charts[0]["data"]["values"] if row["class"] == "Shirt"]
    assert shirt["colour"] == "alert"


def test_classes_that_are_in_every_set_are_said():
    card = card_of(sorted_by_class(*predicted(10, 0)), predicted(1, 0))
    assert (
        "too few calibration images for this level, therefore in every set: T-shirt/top"
        in card.text
    )
    assert len(card.charts) == 1
    assert {row[3] for row in card.table("class / images")} == {"out of reach"}
