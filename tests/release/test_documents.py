from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fmnist_lib.model_files.stored_model import SavedModel
from fmnist_lib.release.documents import render_documents
from tests.run_reports import run_report

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


TWINS = SimpleNamespace(scope="test", images=10_000, identical=12, near=34, near_conflicting=5)


@pytest.fixture
def model(tmp_path):
    return SavedModel(tmp_path, tmp_path / "model.skops", "skops", None, 12_300_000, "9" * 64)


def _headings(page):
    return [part.partition("</h2>")[0] for part in page.split("<h2>")[1:]]


def test_the_headings_are_those_of_the_papers(model):
    pages = render_documents(run_report(), model)
    assert _headings(pages["model-card.html"]) == MITCHELL
    assert _headings(pages["datasheet.html"]) == GEBRU


def test_the_figures_are_the_runs(model):
    pages = render_documents(run_report(duplicates=(TWINS,)), model)
    recall = run_report().evaluation.per_class.iloc[6]
    interval = f"{recall['recall_low']:.3f} to {recall['recall_high']:.3f}"
    for text in ("91.31 %", "12.3 MB", "9" * 64, interval, "c" * 64, "Shirt predicted as"):
        assert text in pages["model-card.html"]
    for text in ("SHA-256 of train", "a" * 64, '<td class="n">34</td>'):
        assert text in pages["datasheet.html"]


def test_what_is_not_official_and_not_skops_is_said(model):
    pickled = replace(model, fallback_reason="<b>because</b>")
    pages = render_documents(run_report(origin="synthetic"), pickled)
    assert "&lt;b&gt;because" in pages["model-card.html"]
    for page in pages.values():
        assert 'class="warning"' in page
        assert "<script" not in page
