"""The Sweetviz page is complete and self-contained, and global state is restored."""

from __future__ import annotations

import re
import tempfile
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd

from fmnist_lib.eda.sweetviz_report import sweetviz_report


def frame(rng, shift=0.0):
    columns = {"width": rng.normal(shift, 1, 150), "height": rng.normal(size=150)}
    garment = rng.choice(["Coat", "Dress", "Bag"], 150)
    return pd.DataFrame({"garment": garment, **columns}).astype({"width": "float32"})


def test_the_page_compares_and_leaves_nothing_behind(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    before = dict(mpl.rcParams), list(warnings.filters), np.geterr()
    page = sweetviz_report(frame(rng), frame(rng, shift=2))
    assert (dict(mpl.rcParams), list(warnings.filters), np.geterr()) == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    for expected in ("Train", "Test", "garment", "width", "height", "Coat", "Associations"):
        assert expected in page


def test_the_page_loads_nothing(report):
    assert report.sweetviz_rows == (300, 300)
    assert not re.search(r"""<(script|img|link|iframe)[^>]+(src|href)=["'](?!data:)""",
                         report.sweetviz_html)  # fmt: skip
    assert "url(http" not in report.sweetviz_html


def test_it_has_only_the_most_discriminative_features(report):
    shares = report.feature_summary["class_share"]
    assert shares.idxmax() in report.sweetviz_html
    assert "saturated_share" not in report.sweetviz_html
