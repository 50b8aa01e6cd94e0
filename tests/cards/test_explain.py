"""The explanation's card, rendered as Metaflow renders it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cards.explain import explain_card
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.config.training import ExplainConfig
from fmnist_lib.explain.explainer import explain
from fmnist_lib.explain.result import Trust
from fmnist_lib.features.pixels import Pixels
from tests.card_reader import Card


@pytest.fixture(scope="module")
def champion(train_images, train_labels):
    model = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    return model.fit(train_images[:1000], train_labels[:1000])


@pytest.fixture(scope="module")
def explanation(champion, test_images, test_labels, train_images):
    config = ExplainConfig(images_per_class=2, background_rows=50)
    return explain(champion, test_images[:500], test_labels[:500], train_images, config, seed=0)


def read(explanation, origin="official"):
    return Card(explain_card(explanation, DataVersion(origin, "somewhere", "ab" * 32, {})))


def test_the_title_is_the_verdict(explanation):
    assert read(explanation).title == explanation.trust.sentence


def test_every_picture_has_its_caption(explanation):
    captions = read(explanation).captions
    assert sorted(captions) == sorted(one.caption for one in explanation.pictures)


def test_every_check_has_its_result_threshold_and_whether_it_passed(explanation):
    card = read(explanation)
    checks = explanation.trust.checks
    assert [row[1:4] for row in card.table("family")] == [
        [one.name, one.value, one.threshold] for one in checks
    ]
    assert {row[4] for row in card.table("family")} <= {"yes", "NO"}
    assert ["explainer", "shap.LinearExplainer"] in card.table("choice")
    assert ["reason", explanation.reason] in card.table("choice")
    smallest = explanation.scores.faithfulness.deletion.smallest
    assert f"{smallest.value:+.3f}" in card.boxes["Deletion"]
    assert explanation.trust.level in card.boxes["Trust the maps"]


def test_a_failed_and_a_missing_check_are_marked(explanation):
    first, second, *others = explanation.trust.checks
    failed = replace(first, passed=False, failure="the values do not add up")
    missing = replace(second, passed=None, value="not tested: it takes too long")
    trust = Trust("no", (failed.failure,), (failed, missing, *others))
    card = read(replace(explanation, trust=trust))
    assert card.title == "Trust these maps: no, because the values do not add up"
    assert [row[-1] for row in card.table("family")][:2] == ["NO", "not tested"]


def test_every_class_has_both_tests(explanation):
    rows = read(explanation).table("class")
    assert [row[0] for row in rows] == list(CLASS_NAMES)
    assert all("[" in cell for row in rows for cell in row[1:])


def test_synthetic_data_are_named(explanation):
    assert "SYNTHETIC" in read(explanation, "synthetic").text
