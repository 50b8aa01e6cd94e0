"""The explanation's card, rendered as Metaflow renders it."""

from __future__ import annotations

import json
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


@pytest.fixture(scope="module")
def champion(train_images, train_labels):
    model = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    return model.fit(train_images[:1000], train_labels[:1000])


@pytest.fixture(scope="module")
def explanation(champion, test_images, test_labels, train_images):
    config = ExplainConfig(images_per_class=2, background_rows=50)
    return explain(champion, test_images[:500], test_labels[:500], train_images, config, seed=0)


def rendered(explanation, origin="official"):
    version = DataVersion(origin, "somewhere", "ab" * 32, {})
    return [component.render() for component in explain_card(explanation, version)]


def markdown(parts):
    return [part["source"].strip() for part in parts if part["type"] == "markdown"]


def test_the_verdict_comes_right_after_the_title(explanation):
    texts = markdown(rendered(explanation))
    assert texts[0].startswith("# ")
    assert explanation.deletion.verdict in texts[1]


def test_every_picture_is_shown_once(explanation):
    images = [part for part in rendered(explanation) if part["type"] == "image"]
    assert sorted(image["label"] for image in images) == sorted(
        one.caption for one in explanation.pictures
    )
    assert all(image["src"].startswith("data:image/png") for image in images)


def test_there_is_no_error_component(explanation):
    assert "error" not in {part["type"].lower() for part in rendered(explanation)}
    json.dumps(rendered(explanation))


def test_every_check_says_whether_it_passed(explanation):
    checks, method = (p for p in rendered(explanation) if p["type"] == "table")
    assert [row[-1] for row in checks["data"]] == ["yes", "yes", "yes"]
    assert ["explainer", "shap.LinearExplainer"] in method["data"]
    assert ["reason", explanation.reason] in method["data"]


def test_maps_that_fail_the_deletion_test_are_marked(explanation, champion):
    random = np.random.default_rng(0).normal(size=explanation.images.shape)
    hidden = np.zeros((28, 28), dtype=np.uint8)
    failed = deletion_test(champion.predict_proba, explanation.images, random, hidden, seed=0)
    parts = rendered(replace(explanation, deletion=failed))
    assert "Do not rely on these maps" in markdown(parts)[1]
    checks = next(part for part in parts if part["type"] == "table")
    assert "NO" in [row[-1] for row in checks["data"]]


def test_synthetic_data_are_named(explanation):
    assert "SYNTHETIC" in "".join(markdown(rendered(explanation, "synthetic")))
