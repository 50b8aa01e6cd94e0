from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.release.documents import DocumentFacts, render_documents

MITCHELL = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]
GEBRU = [
    "Motivation",
    "Composition",
    "Collection Process",
    "Preprocessing/cleaning/labeling",
    "Uses",
    "Distribution",
    "Maintenance",
]


@pytest.fixture
def facts(make_summary):
    rows = {
        "images": 1000,
        "precision": 0.9,
        "recall": 0.8,
        "recall_low": 0.77,
        "recall_high": 0.83,
    }
    return DocumentFacts(
        run=make_summary(),
        model=SimpleNamespace(
            format="skops", size_bytes=12_300_000, sha256="9" * 64, fallback_reason=None
        ),
        per_class=pd.DataFrame({"class": CLASS_NAMES, **rows, "f1": 0.85}),
        labels={name: np.arange(50) % 10 for name in ("train", "validation", "test")},
        twins=(
            SimpleNamespace(scope="test", images=10_000, identical=12, near=34, near_conflicting=5),
        ),
    )


def _headings(page):
    return [part.partition("</h2>")[0] for part in page.split("<h2>")[1:]]


def test_the_headings_are_those_of_the_papers(facts):
    pages = render_documents(facts)
    assert _headings(pages["model-card.html"]) == MITCHELL
    assert _headings(pages["datasheet.html"]) == GEBRU


def test_the_figures_are_the_runs(facts):
    pages = render_documents(facts)
    for text in ("91.31 %", "12.3 MB", "9" * 64, "0.770 to 0.830", "c" * 64, "Shirt predicted as"):
        assert text in pages["model-card.html"]
    for text in ("SHA-256 of train", "a" * 64, '<td class="n">34</td>'):
        assert text in pages["datasheet.html"]


def test_what_is_not_official_and_not_skops_is_said(facts, make_summary, data_version):
    run = make_summary(data_version=replace(data_version, origin="synthetic"))
    model = SimpleNamespace(**vars(facts.model) | {"fallback_reason": "<b>because</b>"})
    pages = render_documents(replace(facts, run=run, model=model))
    assert "&lt;b&gt;because" in pages["model-card.html"]
    for page in pages.values():
        assert 'class="warning"' in page
        assert "<script" not in page
