from __future__ import annotations

from dataclasses import replace

from cards.summary import summary_card
from fmnist_lib.common.accuracy_check import AccuracyCheck
from fmnist_lib.common.promotion_decision import PromotionDecision
from fmnist_lib.common.run_report import Publication
from fmnist_lib.common.statistics import wilson
from tests.card_reader import Card
from tests.run_reports import publication, run_report


def _text(components):
    return Card(components).text


def test_the_card_starts_with_the_accuracy_and_the_promotion(tmp_path):
    card = Card(summary_card(run_report(publication=publication(tmp_path))))
    assert card.title.startswith("Test accuracy 91.31 %: registered as version 3")
    interval = "91.31 % 95 % interval 90.74 % to 91.85 %, 10,000 test images"
    assert card.boxes["Test accuracy"] == interval


def test_the_accuracy_without_doubtful_images_and_on_other_test_sets():
    checks = (
        AccuracyCheck("without x", wilson(8800, 9800), 9800, 200, "remembered"),
        AccuracyCheck("on other test sets", wilson(9300, 10_000), 10_000, 0, "like the others"),
    )
    card = Card(summary_card(run_report(accuracy_checks=checks)))
    found = [line for line in card.sentences if "doubtful" in line]
    assert found == ["## Without doubtful test images, and on other test sets: 89.80 % to 93.00 %"]
    drawn = next(chart for chart in card.charts if "without x" in chart["description"])
    assert [row["images"] for row in drawn["data"]["values"]] == [
        "all 10,000 test images",
        "without x",
        "on other test sets",
    ]
    assert ["without x", "remembered (200 left out)"] in card.table("images / meaning")
    assert "doubtful" not in _text(summary_card(run_report()))


def test_the_card_names_the_run_the_model_and_the_bundle(tmp_path):
    text = _text(summary_card(run_report(publication=publication(tmp_path))))
    for part in (
        "0" * 32,
        "fashion-mnist 3, alias champion",
        "run.zip, 38 MB",
        "e" * 64,
        "out of memory",
        "python reproduce/reproduce.py",
        "--backend-store-uri http://mlflow:5000",
    ):
        assert part in text


def test_synthetic_data_and_a_run_missing_in_mlflow_are_announced():
    missing = Publication(problem="connection refused")
    text = _text(summary_card(run_report(origin="synthetic", publication=missing)))
    assert "**SYNTHETIC images, not Fashion-MNIST**" in text
    assert "**Not in MLflow.** connection refused" in text


def test_a_model_that_has_been_replaced_is_not_called_the_champion(tmp_path):
    """A step that was repeated after another run was promoted."""
    published = publication(tmp_path)
    decision = PromotionDecision("fashion-mnist", "3", True, (), "2", "3", 1)  # noqa: FBT003
    tracked = replace(published.tracked, decision=decision, alias="challenger")
    card = Card(summary_card(run_report(publication=replace(published, tracked=tracked))))
    assert "became champion, and has been replaced since" in card.title
    assert "is the champion now" not in card.text
