from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from cards.timeline import TaskTime, task_times, timeline_card, timeline_picture, wall_by_step
from fmnist_lib.common.data_version import DataVersion
from tests.card_reader import Card

OFFICIAL = DataVersion("official", "somewhere", "ab" * 32, {})


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


class Task(dict):
    """A task of the Client API: artifacts by name."""

    def __init__(self, step, number, start, end, **artifacts):
        super().__init__({name: SimpleNamespace(data=value) for name, value in artifacts.items()})
        first = datetime(2026, 1, 1)  # noqa: DTZ001 (Metaflow's are naive as well)
        self.parent, self.id = SimpleNamespace(id=step), number
        self.created_at = first + timedelta(seconds=start)
        self.finished_at = None if end is None else first + timedelta(seconds=end)


def test_tasks_are_read_in_the_order_of_their_start():
    run = [
        [Task("end", "9", 30, None)],
        [Task("search", "4", 5, 9, candidate="tpot"), Task("search", "3", 4, 20)],
        [Task("start", "1", 0, 3)],
    ]
    assert [(one.name, one.start, one.seconds) for one in task_times(run)] == [
        ("start", 0.0, 3.0),
        ("search", 4.0, 16.0),
        ("tpot", 5.0, 4.0),
    ]
