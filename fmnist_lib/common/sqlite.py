"""Connections to SQLite files."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_existing(database: Path) -> sqlite3.Connection:
    """Open a SQLite file for reading, and never create one.

    Not with ``mode=ro``: if a process was killed while it wrote, the first connection afterwards
    rolls its changes back, which a read-only one refuses ("attempt to write a readonly database").

    Raises
    ------
    sqlite3.Error
        The file does not exist, or cannot be opened.

    References
    ----------
    https://www.sqlite.org/rescode.html#readonly_rollback
    """
    return sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)
