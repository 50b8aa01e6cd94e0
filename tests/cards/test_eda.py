"""The exploration's card, rendered as Metaflow renders it."""

from __future__ import annotations

import html
import json

import pytest

from cards.eda import eda_card
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.config.training import EdaConfig
from fmnist_lib.eda.report import explore
from fmnist_lib.features.named import FEATURES
from tests.card_reader import Card
from tests.data_versions import OFFICIAL


@pytest.fixture(scope="module")
def report(train_images, train_labels, test_images, test_labels):
    config = EdaConfig(sweetviz_rows=100, sweetviz_features=2, embedding_rows=100)
    return explore(
        train_images[:500], train_labels[:500], test_images[:200], test_labels[:200], config, 0
    )


def rendered(report, origin="official"):
    version = DataVersion(origin, "somewhere", "ab" * 32, {})
    return [component.render() for component in eda_card(report, version)]


def read(report):
    return Card(eda_card(report, OFFICIAL))


def test_every_picture_stands_above_its_caption(report):
    assert read(report).captions == [picture.caption for picture in report.pictures]


def test_the_answer_and_the_figures_are_the_reports(report):
    card = read(report)
    assert report.feature_summary["class_share"].idxmax() in card.title
    assert card.boxes["Training images"].startswith("500 ")
    assert card.boxes["Missing values"].startswith("0 ")


def test_the_tables_have_a_row_for_every_feature(report):
    card = read(report)
    features, meanings = (table[1:] for table in card.tables)
    assert [row[0] for row in features] == [row[0] for row in meanings] == list(FEATURES)


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


def test_the_code_that_saves_sweetviz_stands_right_below_it(report):
    sources = [part["source"] for part in rendered(report) if part["type"] == "markdown"]
    (place,) = [number for number, source in enumerate(sources) if "<iframe" in source]
    assert "task.data.sweetviz_html" in sources[place + 1]


def test_synthetic_data_are_labelled_as_such(report):
    assert "SYNTHETIC" in json.dumps(rendered(report, "synthetic")[:4])
    assert "SYNTHETIC" not in json.dumps(rendered(report)[:4])
