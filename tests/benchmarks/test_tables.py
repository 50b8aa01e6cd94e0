"""The tables in docs/benchmarks.md are those of the committed results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import peers
import pytest
from peer_table import PROJECT, project_row

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_results():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "tables.py", "--check"], check=False
    )
    assert done.returncode == 0, "python benchmarks/tables.py writes the tables again"


@pytest.mark.parametrize(
    "name", ["frontier", "peers", "growth", "power", "drift_peers", "conformal"]
)
def test_every_table_has_rows(name):
    table = PAGE.split(f"<!-- {name} -->")[1].split(f"<!-- end {name} -->")[0]
    assert len(table.strip().splitlines()) > 2


@pytest.mark.parametrize(
    "script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name
)
def test_every_benchmark_is_named_by_a_page_or_used_by_one_that_is(script):
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    users = [
        path.name
        for path in (ROOT / "benchmarks").glob("*.py")
        if f"from {script.stem} import" in path.read_text()
    ]
    assert any(f"benchmarks/{name}" in pages for name in [script.name, *users])


def test_every_result_has_a_script_that_writes_it():
    scripts = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    for result in RESULTS.glob("*.csv"):
        assert result.name in scripts, f"{result.name}: no script writes it"


def test_the_project_is_compared_by_a_run_of_the_frontier():
    frontier = pd.read_csv(RESULTS / "frontier.csv")
    table = pd.read_csv(RESULTS / "peers.csv")
    own = table[table["peer"] == PROJECT].iloc[0]
    row = project_row(frontier, own["minutes"], peers.SEED, own["rows"])
    columns = ["fit_seconds", "accuracy", "low", "high", "note"]
    assert own[columns].to_dict() == {name: getattr(row, name) for name in columns}
