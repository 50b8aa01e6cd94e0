"""The project's root, paths of the configuration and the command line, SQLite addresses."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.common.process import NO_HOME

PROJECT_ROOT = Path(__file__).resolve().parents[2]
#: The second form names the driver. For the first form MLflow creates the directory of the path
#: without decoding it: a percent escape would create a directory of the wrong name.
_SQLITE, _SQLITE_DRIVER = "sqlite:///", "sqlite+pysqlite:///"


def resolve_path(path: str | Path, root: Path | None = None) -> Path:
    """Return the absolute path of a user's input.

    ``~`` and ``~user`` are home directories. Environment variables are not expanded: the shell
    does that on the command line.

    Parameters
    ----------
    path : str or Path
        As written in the configuration or on the command line.
    root : Path, optional
        Base of a relative path; default: the working directory.

    Raises
    ------
    ConfigError
        The home directory does not exist.
    """
    return (root or Path()).absolute() / expand_home(path)


def expand_home(path: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home directory; a relative path stays relative.

    Raises
    ------
    ConfigError
        The home directory does not exist.
    """
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:
        expanded = None
    if expanded is None or (str(path).startswith("~") and expanded.is_relative_to(NO_HOME)):
        raise ConfigError(
            f"{path}: expected a user with a home directory in place of "
            f"'{Path(path).parts[0]}', found none. Write the whole path, or set HOME."
        )
    return expanded


def sqlite_address(database: Path) -> str:
    """Return the SQLAlchemy address of a SQLite file; `sqlite_file` is its inverse.

    SQLAlchemy decodes percent escapes and starts the query at a question mark.
    """
    path = str(database.absolute())
    quoted = path.replace("%", "%25").replace("?", "%3F")
    return f"{_SQLITE if quoted == path else _SQLITE_DRIVER}{quoted}"


def sqlite_file(address: str) -> Path | None:
    """Return the database file of a SQLite address, None for any other address."""
    for prefix in (_SQLITE, _SQLITE_DRIVER):
        if address.startswith(prefix):
            return Path(unquote(address.removeprefix(prefix).partition("?")[0])).resolve()
    return None


def resolve_address(address: str, root: Path | None = None) -> str:
    """Return a tracking address whose SQLite file, if it names one, is an absolute path.

    Parameters
    ----------
    address : str
    root : Path, optional
        Base of a relative SQLite file; default: the working directory.
    """
    database = sqlite_file(address)
    if database is None or "?" in address or database.name == ":memory:":
        return address
    written = unquote(address.partition(":///")[2])
    return sqlite_address(resolve_path(written, root))
