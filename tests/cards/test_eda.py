"""The exploration's card, rendered as Metaflow renders it."""

from __future__ import annotations

import html
import json

import pytest

from cards.eda import eda_card
from fmnist_lib.config.training import EdaConfig
from fmnist_lib.data.version import DataVersion
from fmnist_lib.eda.report import explore
from fmnist_lib.features.named import FEATURES


@pytest.fixture(scope="module")
def report(train_images, train_labels, test_images, test_labels):
    config = EdaConfig(sweetviz_rows=100, sweetviz_features=2, embedding_rows=100)
    return explore(
        train_images[:500], train_labels[:500], test_images[:200], test_labels[:200], config, 0
    )


def rendered(report, origin="official"):
    version = DataVersion(origin, "somewhere", "ab" * 32, {})
    return [component.render() for component in eda_card(report, version)]


def test_every_picture_stands_above_its_caption(report):
    parts = rendered(report)
    images = [part for part in parts if part["type"] == "image"]
    assert [image["label"] for image in images] == [p.caption for p in report.pictures]
    assert all(image["src"].startswith("data:image/png") for image in images)


def test_there_is_no_error_component(report):
    text = json.dumps(rendered(report))
    assert '"type": "error"' not in text
    assert "Error" not in {part["type"] for part in rendered(report)}


def test_the_table_has_a_row_for_every_feature(report):
    tables = [part for part in rendered(report) if part["type"] == "table"]
    assert [row[0] for row in tables[0]["data"]] == list(FEATURES)


def test_sweetviz_is_on_the_page_whole_and_in_one_block(report):
    frames = [
        part["source"].strip()
        for part in rendered(report)
        if part["type"] == "markdown" and "<iframe" in part["source"]
    ]
    assert len(frames) == 1
    # A line end would let Markdown end the block in the middle of the page.
    assert "\n" not in frames[0]
    page = html.unescape(frames[0].split('srcdoc="')[1].split('"')[0])
    assert page == report.sweetviz_html


def test_synthetic_data_are_labelled_as_such(report):
    assert "SYNTHETIC" in json.dumps(rendered(report, "synthetic")[:3])
    assert "SYNTHETIC" not in json.dumps(rendered(report)[:3])
