from __future__ import annotations

from metaflow.cards import Markdown

from cards.sections.against_champion import accuracy_change, champion_section
from cards.summary import summary_card
from fmnist_lib.evaluation.run_comparison import compare_runs
from tests.card_reader import Card
from tests.run_reports import run_report


def section(comparison):
    return Card([Markdown("# title"), *champion_section(comparison)])


def test_without_a_champion_there_is_nothing_to_compare():
    assert champion_section(None) == []
    assert accuracy_change(None) == ("", None)


def test_a_better_run_says_so_at_the_top_of_the_summary(make):
    comparison = compare_runs(make("F/1", 300), make("F/2", 50, settings={"seed": 2}))
    card = Card(summary_card(run_report(), comparison))
    points = f"{100 * 250 / len(comparison.second.labels):+.2f} points against the champion"
    assert card.boxes["Test accuracy"].endswith(points)
    assert "Against the champion: significantly more accurate" in card.text
    assert "250 test images are newly correct and 0 newly wrong" in card.text
    assert "python -m cards compare F/1 F/2" in card.text
    assert ["configuration", "seed", "1", "2"] in card.table("what / name")
    assert "What changed since the champion: configuration (1 change)" in card.folded


def test_the_difference_of_every_class_is_drawn(make):
    (chart,) = section(compare_runs(make("F/1", 50), make("F/2", 300))).charts
    rows = chart["data"]["values"]
    assert len(rows) == 10
    assert {row["colour"] for row in rows} <= {"alert", "secondary"}


def test_the_same_predictions_have_no_chart(make):
    card = section(compare_runs(make("F/1", 50), make("F/2", 50)))
    assert "Against the champion: nothing changed" in card.text
    assert not card.charts


def test_other_test_images_are_not_compared_one_by_one(make):
    comparison = compare_runs(make("F/1", 50), make("F/2", 300, data={"test": "b" * 64}))
    assert accuracy_change(comparison) == ("", None)
    assert "The champion, `F/1`, was tested on other images." in section(comparison).text


def test_a_long_list_of_changes_is_cut(make):
    many = {"seed": 1} | {f"key{n}": n for n in range(30)}
    card = section(compare_runs(make("F/1", 50), make("F/2", 50, settings=many)))
    assert len(card.table("what / name")) == 12
    assert "(30 changes, the first 12)" in card.folded[0]
