"""The page of a run, made from its bundle alone; tests/flows makes it from a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from click.testing import CliRunner

from cards.__main__ import cards
from cards.client.task_times import Reused, TaskTime
from cards.pages.report import Report, build_report
from fmnist_lib.release.bundle import write_bundle
from fmnist_lib.release.bundle_results import read_results

ROOT = Path(__file__).resolve().parents[3]
USERS = ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER")


@pytest.fixture(scope="module")
def bundle(contents, tmp_path_factory):
    pages = {
        "select": "<h1>select</h1>",
        "search": "<h1>all</h1>",
        "search-fast": "<body><h1>f</h1>",
    }
    return write_bundle(
        tmp_path_factory.mktemp("site") / "run.zip",
        **(contents | {"cards": pages, "summary_pdf": b"%PDF-"}),
    ).path


def test_the_page_of_a_bundle_links_only_files_that_exist(bundle, tmp_path):
    done = CliRunner().invoke(cards, ["page", str(bundle), "--out", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    index = (tmp_path / "page" / "index.html").read_text()
    links = re.findall(r'href="([^"]+)"', index)
    assert links[:2] == ["search.html", "search-fast.html"]
    assert {"select.html", "summary.html", "model-card.html", "report.json", "summary.pdf"} <= set(
        links
    )
    assert all((tmp_path / "page" / link).is_file() for link in links)
    assert "Candidate fast" in index
    assert "<script" not in index
    assert "http" not in index.replace("http-equiv", "")


def test_every_page_links_the_index_and_its_neighbours(bundle, tmp_path):
    CliRunner().invoke(cards, ["page", str(bundle), "--out", str(tmp_path / "page")])
    page = (tmp_path / "page" / "search-fast.html").read_text()
    links = re.findall(r'href="([^"]+)"', page)
    assert links == ["index.html", "search.html", "select.html"]
    assert page.index("</nav>") < page.index("<h1>")


def answer(report, path):
    """Return what a documented path leads to."""
    for name, entry in re.findall(r"([\w-]+)(?:\[([\w-]+)\])?", path):
        report = report[name]
        if entry:
            (report,) = [row for row in report if row["candidate"] == entry]
    return report


def test_the_report_answers_every_documented_question(bundle):
    results = read_results(bundle)
    times = [TaskTime("eda", "2", 0.0, 3.0, "eda")]
    reused = Reused(3, "1746")
    report = json.loads(build_report(results, times, reused).model_dump_json())
    assert report["reused"] == {"tasks": 3, "run": "1746"}
    page = (ROOT / "docs" / "cards.md").read_text()
    table = dict(re.findall(r"^\| (.+\?) \| `(.+)` \|$", page, re.MULTILINE))
    assert len(table) >= 20
    found = {
        question: answer(
            report, path.replace("[tpot]", "[broken]" if "fail" in question else "[plain]")
        )
        for question, path in table.items()
    }
    assert found["which candidate won?"] == "fast"
    assert found["which run is it?"] == "FashionMnistTrain/1747"
    assert found["how many test images are there?"] == len(results.labels)
    recall = found["how well is a class recognised, with interval?"]
    assert recall["low"] < recall["value"] < recall["high"]
    confusion = np.array(found["which classes are confused?"])
    assert confusion.trace() == results.correct.sum()
    assert "out of memory" in found["why did a candidate fail?"]
    assert found["with which seed and budget?"] == 20
    assert found["how long did every task take?"][0]["seconds"] == 3.0
    # The candidates of this report have no predictions to compare one by one.
    assert [question for question, value in found.items() if value is None] == [
        "is another candidate as good as the winner?"
    ]


def test_the_schema_describes_the_report_of_a_page(bundle, tmp_path):
    CliRunner().invoke(cards, ["page", str(bundle), "--out", str(tmp_path / "page")])
    content = (tmp_path / "page" / "report.json").read_text()
    Report.model_validate_json(content)
    schema = json.loads((tmp_path / "page" / "report.schema.json").read_text())
    assert set(schema["properties"]) == set(json.loads(content))
    with pytest.raises(ValueError, match="unknown"):
        Report.model_validate(json.loads(content) | {"unknown": 1})


def test_the_page_is_served_to_this_machine_only(bundle, tmp_path):
    command = [sys.executable, "-m", "cards", "page", str(bundle), "--serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "page")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        try:
            server.stdout.readline()
            address = server.stdout.readline().split()[0]
            assert address.startswith("http://127.0.0.1:")
            assert "Candidate fast" in requests.get(address, timeout=10).text
            (listening,) = psutil.Process(server.pid).net_connections("tcp")[:1]
            assert listening.laddr.ip == "127.0.0.1"
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=10) == 0
        finally:
            server.kill()  # else a failure would wait for it for ever


def test_a_run_is_looked_up_for_root_without_a_user_name(tmp_path):
    variables = {key: value for key, value in os.environ.items() if key not in USERS}
    command = [sys.executable, "-m", "cards", "page", "FashionMnistTrain/1"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "page")],
        cwd=ROOT,
        env=variables | {"USER": "root"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "expected a bundle's path or a training run" in done.stderr
    assert "user name" not in done.stderr


def test_a_port_in_use_is_one_message(bundle, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = ["--out", str(tmp_path / "page"), "--serve", "--port", port]
        done = CliRunner().invoke(cards, ["page", str(bundle), *options])
    assert done.exit_code == 1
    assert f"port {port}: expected a free one" in done.output


def test_a_directory_in_use_is_left_alone(bundle, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(cards, ["page", str(bundle), "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "expected a new or an empty directory" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_hostile_text_is_executed_on_no_page(contents, tmp_path):
    """In settings, errors, descriptions and file names, on the run's page and a comparison."""
    run = "document.title='executed'"
    hostile = f'<img src=x onerror="{run}"><script>{run}</script>'
    odd = f"{hostile} {{{{ 7 * 7 }}}} \N{RIGHT-TO-LEFT OVERRIDE} \N{DRESS} {'long ' * 2000}"
    report = contents["report"]
    board = report.leaderboard.assign(
        description=odd,
        status=report.leaderboard["status"].str.replace("every trial failed", odd, regex=False),
    )
    version = replace(report.data_version, origin="custom", location=odd)
    changed = replace(
        report,
        leaderboard=board,
        data_version=version,
        drift_verdict=odd,
        settings=report.settings | {"data": {"directory": odd, odd[:300]: odd}},
    )
    plain, odd_one = (
        write_bundle(tmp_path / f"{name}.zip", **(contents | {"report": one, "cards": {}})).path
        for name, one in (("plain", report), ("odd", changed))
    )
    runner = CliRunner()
    for arguments in (
        ["page", str(odd_one), "--out", str(tmp_path / "page")],
        ["compare", str(plain), str(odd_one), "--out", str(tmp_path / "page" / "comparison.html")],
    ):
        done = runner.invoke(cards, arguments)
        assert done.exit_code == 0, done.output
    for name in ("index", "summary", "model-card", "datasheet", "comparison"):
        shown = browse(tmp_path / "page" / f"{name}.html", tmp_path / "profile")
        assert "<title>executed" not in shown, name
        assert '<img src="x"' not in shown, name
        assert not re.search(r"\b49\b", shown), name


def browse(page, profile):
    """Return the document of a page as a browser has it."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    done = subprocess.run(
        ["chromium", *options, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout
