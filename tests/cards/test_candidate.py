from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from cards.candidate import LiveCard, result_card
from fmnist_lib.common.candidate_result import LearningPoint
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.statistics import wilson
from fmnist_lib.search.engines.result import CandidateResult, Progress
from tests.card_reader import Card

VERSION = DataVersion("synthetic", "generated", "f" * 64, {})


@pytest.fixture
def result():
    trials = pd.DataFrame(
        {
            "number": [0, 1, 2],
            "state": ["complete", "pruned", "failed"],
            "value": [0.9, 0.5, None],
            "seconds": [1.0, 2.0, 3.0],
            "reason": [None, None, "ValueError: broken"],
        }
    )
    return CandidateResult(
        id="a",
        engine="optuna",
        description="100 pixel components, logistic regression",
        validation_accuracy=wilson(900, 1000),
        validation_log_loss=0.3,
        params={"C": 1.0},
        trials=trials,
    )


def rendered(components):
    return str([component.render() for component in components])


def test_the_live_card_follows_the_search():
    live = LiveCard("a", 100.0, VERSION)
    live.update(Progress("searching", 12.0, trials=3, best=0.8))
    live.update(Progress("refitting", 90.0, trials=5, best=0.9))
    text = rendered(live.components)
    assert "90 of 100 s" in text
    assert "refitting" in text
    assert "5 trials" in text
    assert "0.8" in text
    assert "0.9" in text
    assert "SYNTHETIC" in text


def test_a_search_without_a_time_limit_shows_only_the_time_used():
    live = LiveCard("a", math.inf, VERSION)
    live.update(Progress("searching", 12.0, trials=3))
    assert "12 s" in rendered(live.components)
    assert "of" not in str(live.components[-3].render())


def test_the_result_says_that_the_search_was_cut_off(result):
    cut_off = replace(result, stopped="cut off: killed by SIGKILL")
    assert "cut off: killed by SIGKILL" in rendered(result_card(cut_off, VERSION))


def test_the_answer_is_the_title_of_the_finished_card(result):
    card = Card(result_card(result, VERSION))
    assert card.title == "Candidate a reaches 90.00 % on the validation images"
    assert "3 trials" in card.boxes["Search"]


def test_the_result_says_what_was_found_and_what_failed(result):
    text = rendered(result_card(result, VERSION))
    assert "90.00 %" in text
    assert "1 complete, 1 pruned, 1 failed" in text
    assert "ValueError: broken" in text


def test_the_learning_curve_says_what_more_images_bring(result):
    curve = (
        LearningPoint(1000, wilson(850, 1000)),
        LearningPoint(4000, wilson(3600, 4000)),
        LearningPoint(16000, wilson(3680, 4000)),
    )
    text = rendered(result_card(replace(result, learning_curve=curve), VERSION))
    assert "From 4,000 to 16,000 training images: +2.0 points" in text
    assert "1,000 images 85.00 % (95 % interval" in text
    assert "training images:" not in rendered(result_card(result, VERSION))


def test_a_failed_candidate_says_why():
    failed = CandidateResult(id="a", engine="tpot", error="killed by SIGKILL")
    card = Card(result_card(failed, VERSION))
    assert card.title == "Candidate a failed"
    assert "killed by SIGKILL" in card.text
