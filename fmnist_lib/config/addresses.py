"""Addresses of the servers that a search on several hosts uses."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

#: Neither message repeats the address: it may hold a password.
_STUDY_STORAGE = (
    "expected the address of a database or of a storage proxy. Write "
    "postgresql+psycopg2://USER@HOST:PORT/DATABASE or grpc://HOST:PORT"
)
_TOO_MUCH = (
    "expected an address without a password, which would be stored with the run. Set PGPASSWORD, "
    "or write the password to ~/.pgpass"
)
_DASK = "expected the address of a Dask scheduler, such as tcp://HOST:8786 or tls://HOST:8786"


def study_storage_problem(address: str) -> str:
    """Return what is wrong with the address of a study storage; empty if it is valid."""
    try:
        parts = urlsplit(address)
        port, password = parts.port, parts.password
    except ValueError:
        return _STUDY_STORAGE
    if password is not None or any("password" in key for key, _ in parse_qsl(parts.query)):
        return _TOO_MUCH
    if parts.scheme == "grpc":
        complete = parts.hostname and port and not parts.path.strip("/")
        return "" if complete else _STUDY_STORAGE
    is_database = parts.scheme.partition("+")[0] == "postgresql" and parts.path.strip("/")
    return "" if is_database else _STUDY_STORAGE


def dask_scheduler_problem(address: str) -> str:
    """Return what is wrong with the address of a Dask scheduler; empty if it is valid."""
    try:
        parts = urlsplit(address)
        complete = parts.scheme in {"tcp", "tls"} and parts.hostname and parts.port
    except ValueError:
        complete = False
    return "" if complete else _DASK
