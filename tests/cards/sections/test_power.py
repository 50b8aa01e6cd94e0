from __future__ import annotations

import pytest

from cards.sections.power import power
from fmnist_lib.common.statistics import Estimate
from fmnist_lib.drift.power import PowerRow
from tests.card_reader import Card


def study(rates, fraction):
    return [
        PowerRow("ks-default", shift, fraction, 5000, 0, 100, Estimate(rate, 0.0, 1.0))
        for shift, rate in rates.items()
    ]


@pytest.mark.parametrize(
    ("rates", "finding"),
    [
        (
            {"blur": 1.0, "label_shift": 0.41, "class_knockout": 0.05, "darker": 0.9},
            (
                "2 of 4 kinds of shift are detected if 10 % of the batch is shifted; "
                "missed: class knockout (5 %), label shift (41 %)"
            ),
        ),
        (
            {"blur": 1.0} | {f"kind_{number}": number / 10 for number in range(7)},
            (
                "1 of 8 kinds of shift is detected if 10 % of the batch is shifted; missed: kind 0 "
                "(0 %), kind 1 (10 %), kind 2 (20 %), kind 3 (30 %), kind 4 (40 %) and 2 more"
            ),
        ),
        ({"blur": 1.0, "darker": 0.9}, "every kind of shift is detected if 10 % of the batch is "),
        ({"blur": 0.3, "darker": 0.89}, "no kind of shift is detected if 10 % of the batch is "),
    ],
)
def test_the_title_says_what_is_missed_at_the_smallest_share(rates, finding):
    half = study(dict.fromkeys(rates, 1.0), 0.5)
    card = Card(power([*half, *study(rates, 0.1), *study({"none": 0.04}, 0.0)]))
    assert card.sentences[0].startswith(f"## Power of the test: {finding}")
    assert "raises an alarm in 100 % of the batches for every kind" in card.sentences[1]
    assert "false-alarm rate without a shift is 4.0 %" in card.sentences[1]


def test_without_a_study_there_is_no_section():
    assert power([]) == power(study({"none": 0.04}, 0.0)) == []
