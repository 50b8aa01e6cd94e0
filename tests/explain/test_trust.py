"""Verdicts on scores of a real explanation, changed one at a time."""

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.common.statistics import Estimate
from fmnist_lib.explain.attribution import attribute
from fmnist_lib.explain.scoring import Explained, score_maps
from fmnist_lib.explain.similarity import Agreement
from fmnist_lib.explain.trust import judge


@pytest.fixture(scope="module")
def attribution(linear_champion, test_images, train_images):
    return attribute(linear_champion, test_images[:20], train_images[:200], evaluations=100)


@pytest.fixture(scope="module")
def scores(linear_champion, attribution, test_images, train_images):
    labels = np.repeat(np.arange(10), 2)
    predictions = attribution.outputs.argmax(axis=1)
    explained = Explained(test_images[:20], labels, predictions, attribution)
    return score_maps(
        linear_champion, explained, train_images[:200], train_images, evaluations=100, seed=0
    )


@pytest.fixture
def good(scores):
    """Scores that pass whatever the small champion's are."""
    agreement = Agreement(0.9, 0.8, 10)
    robust = replace(scores.robustness, seeds=agreement, noise=agreement, max_sensitivity=0.1)
    unlike = Agreement(0.1, 0.0, 10)
    random = replace(scores.randomisation, shuffled_labels=unlike, other_class=unlike)
    above = (Estimate(0.2, 0.1, 0.3),) * 10
    test = scores.faithfulness
    faithful = replace(
        test,
        deletion=replace(test.deletion, by_class=above),
        insertion=replace(test.insertion, by_class=above),
    )
    return replace(scores, faithfulness=faithful, robustness=robust, randomisation=random, gini=0.6)


def test_all_scores_are_measured_and_the_sample_of_the_repeated_ones_is_known(scores):
    assert scores.n_retested == 7
    assert scores.zero_maps == 0
    assert scores.robustness.seeds.mean > 0.8
    assert scores.robustness.max_sensitivity < 0.5
    assert scores.randomisation.shuffled_labels.mean < 0.3
    assert 0.4 < scores.gini < 1


def test_maps_that_pass_every_check_are_trusted(good, attribution):
    trust = judge(good, attribution)
    assert trust.level == "yes"
    assert trust.reasons == ()
    assert trust.sentence == "Trust these maps: yes, because they passed all 14 checks"
    families = {one.family for one in trust.checks}
    assert families == {"axioms", "faithfulness", "robustness", "randomisation", "complexity"}


@pytest.mark.parametrize(
    ("part", "change", "level", "reason"),
    [
        ("robustness", {"seeds": Agreement(0.5, 0, 9)}, "with care", "another background"),
        ("robustness", {"noise": Agreement(0.5, 0, 9)}, "with care", "invisible noise"),
        ("robustness", {"max_sensitivity": 0.8}, "with care", "by half or more"),
        ("randomisation", {"other_class": Agreement(0.9, 0, 9)}, "with care", "other classes"),
        ("randomisation", {"shuffled_labels": Agreement(0.9, 0, 9)}, "no", "shuffled labels"),
        (
            "randomisation",
            {"shuffled_labels": None, "not_fitted": "it takes too long"},
            "with care",
            "model of shuffled labels, rank correlation was not tested",
        ),
        ("robustness", {"seeds": Agreement(None, None, 0)}, "with care", "was not tested"),
    ],
)
def test_a_failure_has_its_reason(good, attribution, part, change, level, reason):
    scores = replace(good, **{part: replace(getattr(good, part), **change)})
    trust = judge(scores, attribution)
    assert trust.level == level
    assert len(trust.reasons) == 1
    assert reason in trust.reasons[0]
    assert trust.sentence.startswith(f"Trust these maps: {level}, because ")
    if "not_fitted" in change:
        assert "not tested: it takes too long" in [one.value for one in trust.checks]


def test_values_that_do_not_add_up_come_before_other_reasons(good, attribution):
    wrong = replace(attribution, base_values=attribution.base_values + 1000)
    trust = judge(replace(good, gini=0.1), wrong)
    assert trust.level == "no"
    assert "do not add up" in trust.reasons[0]
    assert "like noise" in trust.reasons[1]


def test_classes_without_an_interval_are_no_failure(good, attribution):
    test, none = good.faithfulness, (None,) * 10
    one_image = replace(
        test,
        deletion=replace(test.deletion, by_class=none),
        insertion=replace(test.insertion, by_class=none),
    )
    assert judge(replace(good, faithfulness=one_image), attribution).level == "yes"
