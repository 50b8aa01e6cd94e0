from __future__ import annotations

import pickle
import time

import pytest

from fmnist_lib.search.execution import race
from fmnist_lib.search.execution.race import Race

SHARES = {"a": 1.0, "b": 1.0, "c": 2.0}
#: Of 100 s, less a fifth for the champion's refit and 8 s to hand over.
LEFT = 72


@pytest.fixture
def enter(tmp_path):
    def make(identifier, workers=2, shares=SHARES):
        entered = Race(tmp_path, identifier, shares, 100.0, workers)
        return entered, entered.start()

    return make


def test_time_is_divided_by_shares_among_those_that_wait(enter):
    _, first = enter("a")
    assert first == pytest.approx(LEFT / 2, abs=1)  # a quarter of two workers
    _, second = enter("b")
    assert second == pytest.approx(LEFT / 3, abs=1)  # one worker may have to do for the rest
    _, last = enter("c")
    assert last == pytest.approx(LEFT, abs=1)


def test_a_restart_does_not_shrink_the_time(enter):
    assert enter("a")[1] == pytest.approx(LEFT / 2, abs=1)
    assert enter("a")[1] == pytest.approx(LEFT / 2, abs=1)


def test_a_short_race_keeps_less_time_to_hand_over(tmp_path):
    seconds = Race(tmp_path, "a", {"a": 1.0}, 20.0, 1).start()
    assert seconds == pytest.approx(20 - 4 - 1.6, abs=0.3)


def test_the_leaders_refit_is_kept_free(enter):
    a, b = enter("a")[0], enter("b")[0]
    a.post(0.9, refit=30)
    a.post(0.91)  # what was posted before still holds
    assert b.remaining == pytest.approx(100 - 30 - 8, abs=1)
    b.post(0.8, refit=5)
    assert b.remaining == pytest.approx(100 - 30 - 8, abs=1)
    a.post(0.92, refit=500)
    a.end()
    assert b.remaining == pytest.approx(100 - b.champion_limit - 8, abs=1)


def test_only_the_leader_goes_on_and_only_when_nobody_waits_for_its_place(enter, monkeypatch):
    a, _ = enter("a", workers=1)
    a.post(0.9)
    assert not a.may_go_on()
    b, _ = enter("b", workers=1)
    b.post(0.8)
    assert a.may_go_on()  # another worker serves those that wait
    assert not b.may_go_on()
    b.end()
    assert a.may_go_on()  # c will be there in a moment
    monkeypatch.setattr(race, "_CHANGE_SECONDS", 0.0)
    assert not a.may_go_on()
    c, _ = enter("c", workers=1)
    c.end()
    assert a.may_go_on()


def test_who_ends_keeps_the_score_that_its_process_posted(enter):
    a, _ = enter("a")
    at_work = pickle.loads(pickle.dumps(a))
    at_work.post(0.9)
    a.end()
    b, _ = enter("b")
    b.post(0.8)
    assert not b.may_go_on()


def test_who_is_clearly_behind_stops_after_a_fair_try(enter):
    a, b = enter("a")[0], enter("b")[0]
    a.post(0.95)
    b.post(0.85)
    assert not b.is_beaten(0.1, n_scored=10_000)
    assert b.is_beaten(0.5, n_scored=10_000)
    assert not a.is_beaten(0.5, n_scored=10_000)
    b.post(0.945)
    assert not b.is_beaten(0.5, n_scored=1000)


def test_who_does_not_lead_must_end_when_the_refit_would_have_to_wait(enter, monkeypatch):
    a, b = enter("a")[0], enter("b")[0]
    a.post(0.9, refit=30)
    b.post(0.8)
    now = time.time()

    def must_end(seconds):
        monkeypatch.setattr(race.time, "time", lambda: now + seconds)
        return a.must_end(), b.must_end()

    # 100 s, less 30 for the refit and half of the 8 to hand over.
    assert must_end(65) == (False, False)
    assert must_end(67) == (False, True)


def test_a_candidate_without_a_score_neither_leads_nor_is_beaten(enter):
    a, _ = enter("a")
    assert not a.may_go_on()
    assert not a.is_beaten(1.0, n_scored=100)


def test_a_candidate_is_alone_when_all_others_have_been_here_and_ended(enter):
    a, b = enter("a")[0], enter("b")[0]
    b.end()
    assert not a.alone  # c is still to come
    c, _ = enter("c")
    assert not a.alone
    c.end()
    assert a.alone


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"unknown": 1}'])
def test_a_damaged_standing_is_none(enter, tmp_path, content):
    (tmp_path / "b.json").write_text(content)
    entered, seconds = enter("a")
    assert seconds == pytest.approx(LEFT / 2, abs=1)
    assert not entered.alone
