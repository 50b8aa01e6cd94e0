"""Validation of tracking store addresses."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from fmnist_lib.common.credentials import mask
from fmnist_lib.common.paths import sqlite_file

#: Database servers that MLflow supports.
DATABASES = frozenset({"postgresql", "mysql", "mssql"})
_HOW_TO_FIX = (
    "Name a server (http://host:5000) or a SQLite file (sqlite:////path/mlflow.db), or leave it "
    "out for mlruns/mlflow.db in the project"
)


def uri_problem(uri: str) -> str:
    """Return what is wrong with the address of a tracking store; empty when it is valid."""
    if uri != uri.strip():
        return "it starts or ends with a blank. Remove it"
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        return f"{mask(str(error), uri)}. {_HOW_TO_FIX}"
    scheme = parts.scheme.lower()
    database = scheme.partition("+")[0]
    if database == "sqlite":
        return _sqlite_problem(uri)
    if database in DATABASES:
        return _driver_problem(uri)
    if scheme in {"http", "https"}:
        return "" if parts.hostname else f"it names no host. {_HOW_TO_FIX}"
    return _directory_problem(uri, scheme)


def database_kind(uri: str) -> str | None:
    """Return the kind of database server that an address names; None for any other address."""
    kind = uri.partition("://")[0].partition("+")[0]
    return kind if kind in DATABASES else None


def _directory_problem(uri: str, scheme: str) -> str:
    """Return what is wrong with an address that MLflow would treat as a directory of files."""
    if scheme == "file" or (len(scheme) <= len("C") and uri not in _UNSUPPORTED):
        return _file_store_problem()
    if re.fullmatch(r"[\w.-]+:\d+(/.*)?", uri):
        return f"it has no scheme. Write http://{uri}"
    return f"this project does not support it. {_HOW_TO_FIX}"


_UNSUPPORTED = frozenset({"databricks", "databricks-uc", "uc"})


def _file_store_problem() -> str:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in {"true", "1"}:
        return ""
    return (
        "MLflow no longer keeps runs in a directory of files. "
        f"{_HOW_TO_FIX}; `mlflow migrate-filestore` migrates old runs"
    )


def _sqlite_problem(uri: str) -> str:
    database = sqlite_file(uri)
    if database is None:
        return "expected three slashes before a path. Write sqlite:////path/mlflow.db"
    if database.name == ":memory:" or uri.endswith("///"):
        return f"what is kept in memory is lost with the process. {_HOW_TO_FIX}"
    return ""


def _driver_problem(uri: str) -> str:
    """Return what is wrong with the driver of a database server; empty when it is installed."""
    import sqlalchemy

    try:
        sqlalchemy.make_url(uri).get_dialect().import_dbapi()
    except (ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = mask(str(error), uri)
        return f"{reason}. Install the driver of the database, or name another in the address"
    return ""
