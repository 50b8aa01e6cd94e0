"""Checks of the tracking store that need no import of MLflow."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fmnist_lib.common.credentials import without_credentials
from fmnist_lib.common.errors import ConfigError
from fmnist_lib.common.paths import sqlite_file
from fmnist_lib.common.sqlite import open_existing
from fmnist_lib.registry.tracking_uri import uri_problem

if TYPE_CHECKING:
    from fmnist_lib.registry.store import StoreAddress

_REVISION = re.compile(r"^(down_)?revision\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)


def check_store(address: StoreAddress) -> None:
    """Raise if a run could not be logged to the store at its end.

    A server that does not answer passes, and so does a locked database: the runs are spooled.

    Raises
    ------
    ConfigError
        The message names the key or the variable, and the fix.
    """
    key, uri = address.setting, address.uri
    problem = uri_problem(uri)
    if problem:
        raise ConfigError(
            f"{key}: expected the address of an MLflow server or database, got "
            f"'{without_credentials(uri)}': {problem}."
        )
    database = sqlite_file(uri)
    if database is not None:
        _check_database(key, database)


def _check_database(key: str, database: Path) -> None:
    """Raise if a SQLite file cannot be read or written, or is of another MLflow version."""
    problem = _database_problem(database)
    if problem:
        raise ConfigError(f"{key}: expected {database} to be a database of MLflow: {problem}.")


def _database_problem(database: Path) -> str:
    place = next(path for path in (database, *database.parents) if path.exists())
    if place == database and not database.is_file():
        return "it is a directory. Name a file in it"
    if place != database and not place.is_dir():
        return f"{place} is a file. Name another"
    if not os.access(place, os.W_OK):
        return f"{place} can't be written. Change its permissions, or name another file"
    return _version_problem(database) if place == database else ""


def _version_problem(database: Path) -> str:
    try:
        with closing(open_existing(database)) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error as error:
        # An empty file, or one without MLflow's tables, is filled by MLflow.
        harmless = ("no such table", "database is locked")
        return "" if any(text in str(error) for text in harmless) else f"{error}. Name another file"
    newest, known = _revisions()
    found = {row[0] for row in rows}
    if not known or not found or newest & found:
        return ""
    if found <= known:
        return "it is of an older MLflow. Back it up, then run `mlflow db upgrade` with its address"
    return "it is of a newer MLflow. Install that, or name another file"


def _revisions() -> tuple[set[str], set[str]]:
    """Return the newest and all revisions of the schema that the installed MLflow knows."""
    mlflow = find_spec("mlflow")
    folders = (mlflow and mlflow.submodule_search_locations) or ()
    known: set[str] = set()
    before: set[str] = set()
    for folder in folders:
        for file in Path(folder, "store", "db_migrations", "versions").glob("*.py"):
            for is_before, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
                (before if is_before else known).add(revision)
    return known - before, known
