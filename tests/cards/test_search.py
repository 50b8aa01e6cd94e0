from __future__ import annotations

import math
import os

import pytest

from cards.search import SearchCard, headline, progress_line
from fmnist_lib.search.execution.progress_files import CandidateProgress
from tests.card_reader import Card
from tests.data_versions import OFFICIAL

#: A process that has ended.
DEAD = 2**22 + 1


def progress(candidate, process=None, **values):
    return CandidateProgress(candidate, process or os.getpid(), 1000.0, **values)


@pytest.fixture
def found():
    return {
        "a": progress("a", seconds=30.0, trials=4, best=((10.0, 0.9), (20.0, 0.95))),
        "b": progress("b", phase="finished", best=((5.0, 0.93),), accuracy=0.94, note="time is up"),
        "c": progress("c", phase="failed", note="killed by SIGKILL"),
        "d": progress("d", process=DEAD),
    }


def shown(found, seconds_left=60.0, finished=(), **options):
    card = SearchCard(["a", "b", "c", "d", "e"], finished, OFFICIAL)
    card.update(found, seconds_left, **options)
    return Card(card.components)


def test_before_the_first_candidate_starts():
    card = shown({})
    assert card.title == "No trial has ended"
    assert {row[1] for row in card.table("candidate")} == {"not started"}


def test_the_answer_stands_at_the_top(found):
    card = shown(found)
    assert card.title == "Best trial so far: 95.00 %, a"
    assert card.boxes["Best so far"] == "95.00 % trial of a"
    assert card.boxes["Time left"].startswith("60 s")
    assert card.boxes["Candidates"] == "2 of 5 ended running: a 1 failed"


def test_every_candidate_has_its_state_and_the_reason(found):
    rows = {row[0]: row[1:] for row in shown(found).table("candidate")}
    assert rows["a"] == ["searching", "4", "95.00", "", "30", ""]
    assert rows["b"][0] == "finished"
    assert rows["b"][3] == "94.00"
    assert rows["b"][5] == "time is up"
    assert rows["c"][0] == "failed"
    assert rows["c"][5] == "killed by SIGKILL"
    assert rows["d"][0] == "task failed"
    assert rows["e"][0] == "not started"


def test_the_chart_has_every_improvement_and_goes_on_until_the_last_report(found):
    (chart,) = shown(found).charts
    points = [row for row in chart["data"]["values"] if row["candidate"] == "a"]
    assert [(row["seconds"], row["accuracy"]) for row in points] == [
        (10.0, 0.9),
        (20.0, 0.95),
        (30.0, 0.95),
    ]
    assert "a 95.00 %; b 93.00 %" in chart["description"]


def test_candidates_of_an_earlier_run_count_as_ended():
    card = shown({}, finished=["a", "b"])
    assert card.boxes["Candidates"].startswith("2 of 5 ended")
    assert [row[1] for row in card.table("candidate")][:3] == [
        "finished earlier",
        "finished earlier",
        "not started",
    ]


def test_a_search_bounded_by_trials_has_no_time_left(found):
    assert shown(found, math.inf).boxes["Time left"].startswith("not limited")
    assert "left" not in progress_line(found, ["a", "b", "c", "d"], math.inf)


def test_the_end_of_the_search(found):
    card = shown(found, -3.0, ended=True)
    assert card.title == "Best trial of the search: 95.00 %, a"
    assert card.boxes["Time left"].startswith("none")


def test_a_line_on_the_console(found):
    assert progress_line(found, ["a", "b", "c", "d"], 12.4) == (
        "Search: 2 of 4 candidates ended; best 95.00 % (a); a (searching, trial 4); 12 s left."
    )
    assert headline({}) == "No trial has ended"
