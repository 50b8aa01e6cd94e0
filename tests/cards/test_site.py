"""The page of a run, made from its bundle alone; tests/flows makes it from a run."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from cards.__main__ import cards
from cards.site import report_json
from cards.timeline import TaskTime
from fmnist_lib.release.bundle import write_bundle
from fmnist_lib.release.bundle_results import read_results


@pytest.fixture(scope="module")
def bundle(contents, tmp_path_factory):
    pages = {
        "select": "<h1>select</h1>",
        "search": "<h1>all</h1>",
        "search-fast": "<body><h1>f</h1>",
    }
    return write_bundle(
        tmp_path_factory.mktemp("site") / "run.zip", **(contents | {"cards": pages})
    ).path


def test_the_page_of_a_bundle_links_only_files_that_exist(bundle, tmp_path):
    done = CliRunner().invoke(cards, ["page", str(bundle), "--out", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    index = (tmp_path / "page" / "index.html").read_text()
    links = re.findall(r'href="([^"]+)"', index)
    assert links[:2] == ["search.html", "search-fast.html"]
    assert {"select.html", "summary.html", "model-card.html", "report.json"} <= set(links)
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


def test_the_report_answers_by_documented_paths(bundle):
    results = read_results(bundle)
    report = json.loads(json.dumps(report_json(results, [TaskTime("eda", "2", 0.0, 3.0, "eda")])))
    assert report["format"] == 1
    assert report["run"] == "FashionMnistTrain/1747"
    assert report["winner"]["candidate"] == "fast"
    assert report["test"]["images"] == len(results.labels)
    recall = report["test"]["recall"]["Shirt"]
    assert recall["low"] < recall["value"] < recall["high"]
    failed = [row for row in report["candidates"] if row["status"].startswith("failed")]
    assert "out of memory" in failed[0]["status"]
    assert report["settings"]["seed"] == 20
    (task,) = report["timeline"]
    assert task == {"step": "eda", "task": "2", "start": 0.0, "seconds": 3.0, "name": "eda"}


def test_a_directory_in_use_is_left_alone(bundle, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(cards, ["page", str(bundle), "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "expected a new or an empty directory" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
