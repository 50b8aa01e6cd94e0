"""The task of a search that shows all candidates."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.search.engines.result import CandidateResult, Progress
from fmnist_lib.search.execution.progress_files import CandidateProgress, ProgressFile
from tests.card_reader import Card
from tests.data_versions import OFFICIAL


@pytest.fixture
def searches(monkeypatch):
    """The module of the flow, with short pauses."""
    monkeypatch.syspath_prepend(str(DEFAULT_CONFIG.parents[1] / "flows"))
    from shared import searches

    monkeypatch.setattr(searches, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(searches, "_START_SECONDS", 0.3)
    monkeypatch.setattr(searches, "_IDLE_SECONDS", 0.5)
    yield searches
    sys.modules.pop("searches", None)


class Recorder(list):
    """A card that counts its refreshes, and calls a function at the third one."""

    refreshes = 0

    def __init__(self, at_third):
        super().__init__()
        self._at_third = at_third

    def refresh(self):
        self.refreshes += 1
        if self.refreshes == 3:
            self._at_third()


@pytest.fixture
def follow(searches, tmp_path):
    """Return a function that follows candidates, and returns the card and what it looks like."""

    def run(*candidates, shares=None, at_third=lambda: None):
        card = Recorder(at_third)
        budget = SimpleNamespace(
            shares=dict.fromkeys(shares or candidates, 1.0), search_deadline=time.time() + 60
        )
        settings = read_settings(DEFAULT_CONFIG)
        display = searches.SearchDisplay(card, tmp_path / "run", OFFICIAL)
        display.follow(list(candidates), budget, settings.search)
        return card, Card(card)

    return run


def finish(file, accuracy=0.9):
    file.update(Progress("searching", 1.0, 2, accuracy))
    file.end(CandidateResult(file._last.candidate, "optuna", validation_accuracy=wilson(9, 10)))


def test_it_ends_with_the_last_candidate(follow, tmp_path, capsys):
    files = [ProgressFile(tmp_path / "run", name) for name in "ab"]
    finish(files[0])
    recorder, card = follow("a", "b", at_third=lambda: finish(files[1], 0.95))
    assert recorder.refreshes == 4
    assert card.title == "Best trial of the search: 95.00 %, b"
    assert card.boxes["Candidates"].startswith("2 of 2 ended")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("Search: 2 of 2 candidates ended; best 95.00 % (b)")
    assert len(lines) == 2  # one at the start, one for the change
    assert not (tmp_path / "run").exists()


def test_a_killed_candidate_does_not_keep_it_waiting(follow, tmp_path):
    finish(ProgressFile(tmp_path / "run", "a"))
    dead = ProgressFile(tmp_path / "run", "b")
    dead._write(CandidateProgress("b", process=2**22 + 1, started=0.0))
    _, card = follow("a", "b")
    assert ["b", "task failed", "", "", "", "0", ""] in card.table("candidate")
    assert card.title == "Best trial of the search: 90.00 %, a"


def test_a_candidate_that_never_starts_is_waited_for_only_so_long(follow, tmp_path):
    finish(ProgressFile(tmp_path / "run", "a"))
    _, card = follow("a", "b")
    assert "The last candidates did not start" in card.text


def test_where_no_progress_can_be_read_it_says_so_and_ends(follow):
    _, card = follow("a", "b")
    assert "No candidate's progress can be read here" in card.text


def test_candidates_that_finished_before_the_resume_are_not_waited_for(follow, tmp_path):
    finish(ProgressFile(tmp_path / "run", "b"))
    _, card = follow("a", "b", shares=["b"])
    assert card.boxes["Candidates"].startswith("2 of 2 ended")


def test_the_pipeline_that_a_candidate_validated_is_read_from_its_task(searches, monkeypatch):
    import metaflow

    class Task(dict):
        parent = SimpleNamespace(id="search")

    def task(**artifacts):
        return Task({name: SimpleNamespace(data=value) for name, value in artifacts.items()})

    fitted = CandidateResult("fast", "optuna", pipeline="fitted")
    tasks = [task(), task(candidate="other"), task(candidate="fast", result=fitted)]
    monkeypatch.setattr(metaflow, "Run", lambda *_, **__: {"search": tasks})
    read = searches.pipeline_reader("FashionMnistTrain/1")
    assert read("fast") == "fitted"
    with pytest.raises(DataError, match="expected a search task of the candidate slow"):
        read("slow")
