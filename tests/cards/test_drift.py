"""The drift card, rendered as Metaflow renders it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cards.drift import drift_card
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.statistics import Estimate
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.drift.batch import Batch, halves
from fmnist_lib.drift.power import PowerRow
from fmnist_lib.drift.report import detect_drift
from fmnist_lib.drift.shifts.catalogue import simulate
from fmnist_lib.features.pixels import Pixels
from tests.card_reader import Card

CONFIG = DriftConfig(
    batch_rows=100, repeats=3, shift_rows=200, shifts=("rotation", "class_knockout")
)


@pytest.fixture(scope="module")
def reports(train_images, train_labels, test_images):
    """A report without drift and one with it."""
    model = make_pipeline(Pixels(), LogisticRegression(max_iter=200))
    observe = model.fit(train_images[:1000], train_labels[:1000]).predict_proba
    reference, same = halves(test_images[:1000], observe(test_images[:1000]), seed=0)
    turned = simulate("rotation", same.images, same.classes, seed=0, severity=30).images
    moved = Batch(turned, observe(turned))
    return [detect_drift(reference, batch, observe, CONFIG, seed=0) for batch in (same, moved)]


def read(report, origin="official"):
    return Card(drift_card(report, DataVersion(origin, "somewhere", "ab" * 32, {})))


def test_the_title_is_the_verdict(reports):
    cards = [read(report) for report in reports]
    assert cards[0].title == "No drift found in 500 images"
    assert cards[1].title == "Drift in 500 images"
    assert cards[1].boxes["Columns that differ"].startswith(f"{reports[1].ks.rejected.sum()} of 33")


def test_the_columns_that_differ_are_marked(reports):
    tables = [read(report).table("column") for report in reports]
    assert {row[-1] for row in tables[0]} == {"no"}
    assert "YES" in {row[-1] for row in tables[1]}
    assert tables[1][0][0] in read(reports[1]).sentences[1]


def test_the_detection_rate_of_every_shift_has_an_interval(reports):
    card = read(reports[0])
    rates = card.table("batch")
    assert len(rates) == 3
    assert rates[0][0].startswith("no shift")
    assert rates[1][1] == "3 of 3"
    assert all(" % to " in row[3] for row in rates)
    drawn = card.charts[0]["data"]["values"]
    assert [row["batch"] for row in drawn] == ["no shift", "rotation", "class knockout"]
    assert all(row["low"] <= row["value"] <= row["high"] for row in drawn)


def test_every_picture_has_its_caption(reports):
    assert read(reports[0]).captions == [one.caption for one in reports[0].pictures]


def test_data_that_are_not_the_official_ones_are_named(reports):
    assert "not the official" in read(reports[0], "custom").text


def test_the_power_study_is_shown_when_available(reports):
    rates = {"none": (0.0, 0.03), "image_large": (0.5, 0.98), "darker": (0.5, 0.1)}
    rows = tuple(
        PowerRow("ks-default", shift, fraction, 500, 0, 100, Estimate(rate, 0.0, 1.0))
        for shift, (fraction, rate) in rates.items()
    )
    text = read(replace(reports[0], power=rows)).text
    assert "raises an alarm in 98 % of the batches for *image large*" in text
    assert "10 % for *darker*" in text
