from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from fmnist_lib.common.run_report import Publication, RunIdentity
from fmnist_lib.release.summary import Summary, render_summary
from tests.run_reports import REASON


def test_the_number_comes_with_its_interval_and_before_everything_else(published):
    html = render_summary(published())
    number = html.index('class="number">91.31 %')
    assert number < html.index("95 % interval 90.74 to 91.85 %") < html.index("<table>")
    assert "10,000 test images" in html
    assert 'class="warning"' not in html


@pytest.mark.parametrize(
    ("origin", "warning"),
    [
        ("synthetic", "SYNTHETIC images, not Fashion-MNIST. The accuracy says nothing"),
        ("custom", "Not the official Fashion-MNIST. The accuracy cannot be compared"),
    ],
)
def test_other_data_are_announced_before_the_number(published, origin, warning):
    html = render_summary(published(origin=origin))
    assert html.index(warning) < html.index('class="number"')


def test_what_comes_from_the_run_is_escaped(published):
    hostile = published().leaderboard.iloc[[0, 2]].copy()
    hostile["candidate"] = ["<script>alert(1)</script>", "<b>tpot</b>"]
    hostile["description"] = ["<img src=x onerror=alert(1)>", ""]
    hostile["status"] = ["winner", "failed: <i>why</i>"]
    html = render_summary(
        published(
            leaderboard=hostile,
            identity=RunIdentity("<script>", "1", "", '"><script>'),
            drift_verdict="<script>drift</script>",
        )
    )
    for tag in ("<script", "<img src=x", "<i>why", "<b>tpot"):
        assert tag not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_page_needs_nothing_from_elsewhere(published):
    html = render_summary(published())
    assert "http" not in html
    assert "data:image/png;base64,iVBOR" in html
    assert "@page { size: A4" in html


def test_a_failed_candidate_shows_its_reason_and_no_numbers(published):
    row = next(row for row in Summary(published()).rows if row["candidate"] == "broken")
    assert (row["status"], row["description"]) == ("failed", REASON)
    assert {row[key] for key in ("accuracy", "interval", "log_loss", "fit", "size")} == {""}
    assert "nan" not in render_summary(published())


def test_a_run_that_mlflow_does_not_know_says_so(published):
    html = render_summary(published(publication=Publication(problem="connection refused")))
    assert "not logged: connection refused" in html
    assert "mlflow ui" not in html


def test_the_drift_verdict_reads_as_a_sentence(published):
    html = render_summary(published(drift_verdict="no drift found"))
    assert "<p>No drift found.</p>" in html


def test_the_ids_and_commands_lead_back_to_the_run(published):
    html = render_summary(published())
    for text in (
        "FashionMnistTrain/1747",
        "fashion-mnist 3, alias champion",
        "e" * 64,
        "f" * 64,
        "0123abc",
        "python -m fmnist_lib bundle unpack bundles/run.zip reproduce",
        "python flows/train.py run --seed 20",
        "sqlite:///mlruns/mlflow.db",
    ):
        assert text in html


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("pdfinfo")), reason="no chromium or pdfinfo"
)
def test_the_fullest_page_prints_on_one_sheet(published, tmp_path):
    usual = published()
    row = usual.leaderboard.iloc[:1].assign(status="ok", description="a long description " * 20)
    report = published(
        origin="synthetic",
        leaderboard=pd.concat([usual.leaderboard, *[row] * 20], ignore_index=True),
        evaluation=replace(usual.evaluation, confused_pairs=usual.evaluation.confused_pairs * 20),
        drift_verdict="a long verdict " * 50,
        publication=Publication(usual.publication.bundle, problem="a long problem " * 50),
        identity=replace(usual.identity, git_commit="0" * 40),
    )
    page, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(render_summary(report), encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-sync"
    flags += " --disable-background-networking --disable-component-update"
    profile, output = f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}"
    command = ["chromium", *flags.split(), profile, "--no-pdf-header-footer", output, page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    facts = subprocess.run(["pdfinfo", pdf], check=True, capture_output=True, text=True).stdout
    assert "Pages:           1" in facts
    assert "A4" in facts
