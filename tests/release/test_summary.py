from __future__ import annotations

import re

import pandas as pd
import pytest

from fmnist_lib.common.run_report import Publication, RunIdentity
from fmnist_lib.release.summary import Summary, render_summary
from tests.run_reports import REASON


def test_the_number_comes_with_its_interval_and_before_everything_else(published):
    html = render_summary(published())
    number = html.index('class="number">91.31 %')
    assert number < html.index("95 % interval 90.74 % to 91.85 %") < html.index("<table")
    assert "Correct on 9,131 of 10,000 unseen images" in html
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
    for address in ("http", "src=", "@import", "<script", "<link"):
        assert address not in html
    assert set(re.findall(r"url\(.", html)) == {"url(#"}
    assert "@page { size: A4" in html


def test_a_failed_candidate_shows_its_reason_and_no_numbers(published):
    row = next(row for row in Summary(published()).rows if row["candidate"] == "broken")
    assert (row["status"], row["description"]) == ("failed", REASON)
    assert {row[key] for key in ("accuracy", "interval", "fit", "size")} == {""}
    assert "nan" not in render_summary(published())


def test_a_run_that_mlflow_does_not_know_says_so(published):
    report = published(publication=Publication(problem="connection refused"))
    assert "not logged: connection refused" in render_summary(report)
    assert not [command for command, _ in Summary(report).commands if "mlflow ui" in command]


def test_the_drift_verdict_reads_as_a_sentence(published):
    html = render_summary(published(drift_verdict="no drift found"))
    assert "No drift found.</bdi>" in html


def test_the_ids_and_commands_lead_back_to_the_run(published):
    html = render_summary(published())
    for text in (
        "FashionMnistTrain/1747",
        "fashion-mnist 3, alias champion",
        "e" * 64,
        "f" * 64,
        "0123abc",
        "python -m fmnist_lib bundle unpack bundles/run.zip reproduce",
        "python source/flows/train.py --config config config.json run",
    ):
        assert text in html
    commands = dict(Summary(published()).commands)
    assert "mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db" in commands


def test_the_command_finds_a_bundle_in_a_directory_within_another(published):
    settings = published().settings
    report = published(settings=settings | {"release": settings["release"] | {"directory": "a/b"}})
    assert any("unpack a/b/run.zip" in command for command, _ in Summary(report).commands)


def test_the_page_in_the_bundle_names_what_is_known_before_the_bundle_is_written(published):
    html = render_summary(published(publication=Publication()))
    assert "python reproduce.py" in html
    assert "bundle unpack" not in html
    assert "SHA-256" not in html


def test_the_winner_is_shown_however_many_candidates_are_before_it(published):
    usual = published().leaderboard
    others = usual.iloc[:1].assign(status="over the limits", candidate="other")
    table = pd.concat([*[others] * 20, usual], ignore_index=True)
    html = render_summary(published(leaderboard=table))
    assert '<tr class="winner">' in html
    assert "16 more in leaderboard.csv" in html


def test_the_picture_of_the_pipeline_counts_the_searches(published):
    table = published().leaderboard
    vote = table.iloc[:1].assign(engine="ensemble", status="ok")
    html = render_summary(published(leaderboard=pd.concat([table, vote], ignore_index=True)))
    assert "search \N{MULTIPLICATION SIGN} 3</text>" in html
    for step in ("start", "eda", "prepare", "select", "explain", "drift", "publish"):
        assert f">{step}</text>" in html
