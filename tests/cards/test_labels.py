from __future__ import annotations

import pandas as pd
import pytest

from cards.labels import labels_card
from fmnist_lib.common.plotting import new_figure, picture
from fmnist_lib.common.statistics import wilson
from fmnist_lib.label_audit.result import LabelAudit, WeakGroup
from tests.card_reader import Card
from tests.data_versions import OFFICIAL


@pytest.fixture
def audit():
    suspects = pd.DataFrame(
        {
            "image": [17, 4, 8],
            "given": ["Shirt", "Shirt", "Bag"],
            "suggested": ["Coat", "Coat", "Dress"],
            "kind": ["likely error", "ambiguous class", "likely error"],
            "given_probability": [0.0001, 0.02, 0.05],
            "suggested_probability": [0.99, 0.9, 0.8],
            "neighbours_given": [0, 4, 0],
            "neighbours_suggested": [10, 6, 9],
            "neighbours": 10,
            "duplicates": ["23", "", ""],
        }
    )
    unusual = pd.DataFrame({"image": [3], "label": ["Bag"], "reason": ["dark"], "value": [12.0]})
    return LabelAudit(
        suspects=suspects,
        n_images=2000,
        n_available=6000,
        accuracy=wilson(1900, 2000),
        unusual=unusual,
        weak_group=WeakGroup(80, wilson(60, 80), {"Shirt": 50, "Coat": 30}, 12),
        seconds=12.0,
        notes=("a class has only 1 images",),
        pictures=(picture(new_figure(1, 1), "label-suspects", "Most suspicious", "caption"),),
    )


def test_the_answer_is_how_many_labels_are_suspect(audit):
    card = Card(labels_card(audit, OFFICIAL))
    assert card.title == "3 of 2,000 audited labels are suspect"
    assert card.boxes["Likely errors"].startswith("2 0.10 %")
    assert card.boxes["Ambiguous classes"].startswith("1 ")
    assert "95.00 %" in card.boxes["Out-of-fold accuracy"]
    assert "75.0 % of 80 similar images, mostly Shirt and Coat" in card.boxes["Weakest group"]
    assert "2,000 of 6,000 labels of training and validation images" in card.text
    assert "A class has only 1 images." in card.text
    assert "--corrections labels.csv" in card.text
    assert "Shirt → Coat (2)" in card.text


def test_every_suspect_has_its_evidence(audit):
    rows = Card(labels_card(audit, OFFICIAL)).table("image / given / suggested / kind / probab")
    assert rows[0] == [
        "17", "Shirt", "Coat", "likely error", "0.0001", "0.9900", "0 and 10 of 10", "23"
    ]  # fmt: skip


def test_without_suspects_or_without_an_audit_the_card_says_so(audit):
    from dataclasses import replace

    none = Card(labels_card(replace(audit, suspects=audit.suspects[:0], weak_group=None), OFFICIAL))
    assert none.title == "0 of 2,000 audited labels are suspect"
    assert not [rows for rows in none.tables if len(rows) == 1]  # a table of headers alone
    assert not [words for words in none.folded if "suspicious" in words]
    off = Card(labels_card(None, OFFICIAL))
    assert "not audited" in off.title
    assert "cross_fit.enabled" in off.text
