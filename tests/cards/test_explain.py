"""The explanation's card, rendered as Metaflow renders it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cards.explain import explain_card
from fmnist_lib.config.training import ExplainConfig
from fmnist_lib.data.version import DataVersion
from fmnist_lib.explain.deletion import deletion_test
from fmnist_lib.explain.explainer import explain
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
    assert read(explanation).title == explanation.deletion.verdict.rstrip(".")


def test_every_picture_has_its_caption(explanation):
    captions = read(explanation).captions
    assert sorted(captions) == sorted(one.caption for one in explanation.pictures)


def test_every_check_says_whether_it_passed(explanation):
    card = read(explanation)
    assert [row[-1] for row in card.table("check")] == ["yes", "yes", "yes"]
    assert ["explainer", "shap.LinearExplainer"] in card.table("choice")
    assert ["reason", explanation.reason] in card.table("choice")
    random = explanation.deletion.over_random
    assert f"{random.difference.value:+.3f}" in card.boxes["Beyond hiding random pixels"]


def test_maps_that_fail_the_deletion_test_are_marked(explanation, champion):
    random = np.random.default_rng(0).normal(size=explanation.images.shape)
    hidden = np.zeros((28, 28), dtype=np.uint8)
    failed = deletion_test(champion.predict_proba, explanation.images, random, hidden, seed=0)
    card = read(replace(explanation, deletion=failed))
    assert "Do not rely on these maps" in card.title
    assert "NO" in [row[-1] for row in card.table("check")]


def test_synthetic_data_are_named(explanation):
    assert "SYNTHETIC" in read(explanation, "synthetic").text
