from __future__ import annotations

import pandas as pd

from cards.sections.trials import trials_section
from fmnist_lib.search.engines.result import CandidateResult
from tests.card_reader import Card


def section(*accuracies, best=1):
    trials = pd.DataFrame(
        {"number": range(len(accuracies)), "seconds": range(len(accuracies)), "value": accuracies}
    )
    result = CandidateResult("kernel", "optuna", trials=trials, best_trial=best)
    return Card(trials_section([result], pd.Series({"candidate": "kernel"})))


def drawn(card):
    return [row["accuracy"] for row in card.charts[0]["data"]["values"]]


def test_the_heading_names_the_best_trial():
    assert "The winner's pipeline was trial 1, after 1 s of search" in section(0.8, 0.9, 0.7).text
    assert "3 trials of kernel." in section(0.8, 0.9, 0.7).text


def test_a_higher_accuracy_on_fewer_rows_is_not_the_best_trial():
    assert "The winner's pipeline was trial 2, after 2 s" in section(0.8, 0.95, 0.9, best=2).text


def test_a_trial_as_bad_as_chance_does_not_squeeze_the_others():
    card = section(0.8, 0.1, 0.9)
    assert drawn(card) == [0.8, 0.9]
    assert "Not drawn: 1 trial with an accuracy of 50 % or less." in card.text


def test_trials_are_drawn_if_all_are_bad():
    card = section(0.1, 0.2)
    assert drawn(card) == [0.1, 0.2]
    assert "Not drawn" not in card.text
