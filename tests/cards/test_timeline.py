from __future__ import annotations

import pytest

from cards.client.task_times import Reused, TaskTime, wall_by_step
from cards.timeline import timeline_card, timeline_picture
from tests.card_reader import Card
from tests.data_versions import OFFICIAL


@pytest.fixture
def times():
    return [
        TaskTime("start", "1", 0.0, 2.0, "start"),
        TaskTime("search", "2", 2.0, 8.0, "kernel"),
        TaskTime("search", "3", 2.0, 4.0, "tpot"),
        TaskTime("explain", "4", 10.0, 6.0, "explain"),
    ]


def test_tasks_side_by_side_count_once(times):
    assert wall_by_step(times) == {"start": 2.0, "search": 8.0, "explain": 6.0}


def test_the_card_says_which_step_took_longest(times):
    card = Card(timeline_card(times, OFFICIAL))
    assert card.title == "The run took 16 s, 8 s of it in the step search"
    assert card.boxes["Wall time"] == "16 s 4 tasks"
    assert card.boxes["Search and refit"].startswith("8 s 50 % of the wall time")
    assert card.boxes["Everything else"].startswith("8 s")
    assert card.boxes["Concurrent tasks"].startswith("1.2")
    rows = card.charts[0]["data"]["values"]
    assert [row["task"] for row in rows if row["longest"]] == ["kernel (2)", "tpot (3)"]
    assert ["tpot", "3", "2.0", "4.0"] in card.table("step / task")


def test_the_picture_has_the_numbers_as_text(times):
    drawn = timeline_picture(times)
    assert drawn.title == "The run took 16 s, 8 s of it in the step search"
    assert "search 8 s" in drawn.caption


def test_the_card_of_a_resumed_run_names_what_was_taken_over_and_no_budget(times):
    reused = Reused(7, "1746")
    card = Card(timeline_card(times[2:], OFFICIAL, reused))
    assert card.title.startswith("After it was resumed, the run took 16 s, ")
    assert "7 tasks were taken over from the run 1746, and not timed." in card.sentences[1]
    assert card.boxes["Wall time"] == "16 s 2 tasks"
    assert {"Search and refit", "Everything else"}.isdisjoint(card.boxes)
    drawn = timeline_picture(times[2:], reused)
    assert drawn.title == card.title
    assert "7 tasks were taken over" in drawn.caption


def test_a_resumed_run_that_only_ended_has_a_card_without_times():
    card = Card(timeline_card([], OFFICIAL, Reused(1, "1746")))
    assert card.title == "No task ran before this one"
    assert card.sentences[1] == "1 task was taken over from the run 1746, and not timed."
    assert not card.charts
