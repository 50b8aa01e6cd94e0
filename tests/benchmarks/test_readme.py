from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_of_the_readme_are_those_of_the_results():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "readme.py", "--check"], check=False
    )
    assert done.returncode == 0, "python benchmarks/readme.py renews the tables"


@pytest.mark.parametrize("name", ["frontier", "peers", "growth", "power", "drift_peers"])
def test_every_table_has_rows(name):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    table = page.split(f"<!-- {name} -->")[1].split(f"<!-- end {name} -->")[0]
    assert len(table.strip().splitlines()) > 2
