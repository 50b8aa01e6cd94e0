"""The drift card, rendered as Metaflow renders it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cards.drift import drift_card
from fmnist_lib.common.statistics import Estimate
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.data.version import DataVersion
from fmnist_lib.drift.batch import Batch, halves
from fmnist_lib.drift.power import PowerRow
from fmnist_lib.drift.report import detect_drift
from fmnist_lib.drift.shifts.catalogue import apply_shift
from fmnist_lib.features.pixels import Pixels

CONFIG = DriftConfig(
    batch_rows=100, repeats=3, shift_rows=200, shifts=("rotation", "class_knockout")
)


@pytest.fixture(scope="module")
def reports(train_images, train_labels, test_images):
    """A report without drift and one with it."""
    model = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    observe = model.fit(train_images[:1000], train_labels[:1000]).predict_proba
    reference, same = halves(test_images[:1000], observe(test_images[:1000]), seed=0)
    turned = apply_shift("rotation", same.images, same.classes, seed=0, severity=30)
    moved = Batch(turned, observe(turned))
    return [detect_drift(reference, batch, observe, CONFIG, seed=0) for batch in (same, moved)]


def rendered(report, origin="official"):
    version = DataVersion(origin, "somewhere", "ab" * 32, {})
    return [component.render() for component in drift_card(report, version)]


def markdown(parts):
    return [part["source"].strip() for part in parts if part["type"] == "markdown"]


def test_the_verdict_comes_right_after_the_title(reports):
    verdicts = [markdown(rendered(report))[1] for report in reports]
    assert verdicts[0].startswith("**No drift found: ")
    assert verdicts[1].startswith("**Drift: ")


def test_the_columns_that_differ_are_marked(reports):
    tables = [next(p for p in rendered(report) if p["type"] == "table") for report in reports]
    assert {row[-1] for row in tables[0]["data"]} == {"no"}
    assert "YES" in {row[-1] for row in tables[1]["data"]}
    assert tables[1]["data"][0][0] in markdown(rendered(reports[1]))[1]


def test_the_detection_rate_of_every_shift_has_an_interval(reports):
    rates = [part for part in rendered(reports[0]) if part["type"] == "table"][1]
    assert len(rates["data"]) == 3
    assert rates["data"][0][0].startswith("no shift")
    assert rates["data"][1][1] == "3 of 3"
    assert all(" % to " in row[3] for row in rates["data"])


def test_every_picture_is_shown_once(reports):
    images = [part for part in rendered(reports[0]) if part["type"] == "image"]
    assert sorted(image["label"] for image in images) == sorted(
        one.caption for one in reports[0].pictures
    )


def test_there_is_no_error_component(reports):
    for report in reports:
        assert "error" not in {part["type"].lower() for part in rendered(report)}
        json.dumps(rendered(report))


def test_data_that_are_not_the_official_ones_are_named(reports):
    assert "not the official" in "".join(markdown(rendered(reports[0], "custom")))


def test_the_power_study_is_shown_when_available(reports):
    rates = {"none": (0.0, 0.03), "image_large": (0.5, 0.98), "darker": (0.5, 0.1)}
    rows = tuple(
        PowerRow("ks-default", shift, fraction, 500, 0, 100, Estimate(rate, 0.0, 1.0))
        for shift, (fraction, rate) in rates.items()
    )
    version = DataVersion("official", "somewhere", "ab" * 32, {})
    report = replace(reports[0], power=rows)
    text = " ".join(markdown([part.render() for part in drift_card(report, version)]))
    assert "detects *image large* in half of the images 98 %" in text
    assert "*darker* 10 %" in text
