from __future__ import annotations

from metaflow.cards import Markdown

from cards.parts.step_card import other_cards
from tests.card_reader import Card


def commands(step, script):
    return dict(Card([Markdown("# title"), other_cards(step, "17", script)]).tables[0][1:])


def test_a_card_names_the_commands_of_the_others():
    found = commands("select", "flows/train.py")
    assert found["summary"] == "python flows/train.py card view 17/publish"
    files = "all of these, the search and every candidate, as files"
    assert found[files] == "python -m cards page 17 --out page"
    assert "leaderboard" not in found


def test_no_command_names_the_search_by_its_step_which_opens_one_candidate():
    assert (
        "python flows/train.py card view 17/search"
        not in commands("select", "flows/train.py").values()
    )


def test_the_monitor_has_cards_of_its_own():
    assert commands("assess", "/somewhere/flows/monitor.py") == {
        "champion": "python flows/monitor.py card view 17/start",
        "retraining": "python flows/monitor.py card view 17/retrain",
    }
