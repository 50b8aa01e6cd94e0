"""Texts in exported CSV files that a spreadsheet does not execute.

Excel and LibreOffice take a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, which
may start programs or send other cells away; a file name or an error message may begin so. Such
texts get an apostrophe in front, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: With the full-width forms, which Excel takes as the plain ones.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_text(text: str) -> str:
    """Return a text that is no formula.

    Examples
    --------
    >>> safe_text("=1+2.png"), safe_text("-1.5"), safe_text("a-b")
    ("'=1+2.png", '-1.5', 'a-b')
    """
    return f"'{text}" if _is_formula(text) else text


def original_text(text: str) -> str:
    """Return a text as it was before `safe_text`.

    Examples
    --------
    >>> original_text("'=1+2.png"), original_text("'a'")
    ('=1+2.png', "'a'")
    """
    return text[1:] if text.startswith("'") and _is_formula(text[1:]) else text


def safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without formulas in its texts and column names, to be written as CSV."""
    import pandas as pd

    texts = [
        position
        for position, kind in enumerate(table.dtypes)
        if not pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    ]
    safe = table.rename(columns=_safe)
    for position in texts:
        # Categories are few; a column of texts is mapped cell by cell.
        safe.isetitem(position, table.iloc[:, position].map(_safe))
    return safe


def _safe(cell: Any) -> Any:
    return safe_text(cell) if isinstance(cell, str) else cell


def _is_formula(text: str) -> bool:
    if not text.lstrip(" ").startswith(_STARTS):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
