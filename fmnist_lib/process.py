"""The process we run in: who its user is, where it may write, what Matplotlib may draw with."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

#: Matplotlib's own name for one of its backends that has no module of that name.
_ALIASES = {"notebook": "nbagg"}


def user_name() -> str:
    """Return the user's login name, or ``uid-<number>`` where the system knows no name.

    A container started with any user id (``-u 54321``) has no passwd entry for it, and often no
    variable that names its user.
    """
    import getpass

    try:
        return getpass.getuser()
    # Python up to 3.12 raises KeyError, later ones OSError.
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def home_directory() -> Path | None:
    """Return the user's home directory, or None where the system knows none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def can_write_home() -> bool:
    """Whether libraries may keep their caches in the home directory."""
    home = home_directory()
    return home is not None and home.is_dir() and os.access(home, os.W_OK | os.X_OK)


def replace_missing_backend() -> None:
    """Let Matplotlib draw to files where MPLBACKEND names a backend that is not installed.

    A notebook names its own backend in the environment of every process it starts, and Matplotlib
    can't be imported where that is not installed. One that is installed stays, so that a notebook
    which imports this library goes on showing its figures.
    """
    backend = os.environ.get("MPLBACKEND")
    if backend and "matplotlib" not in sys.modules and not _is_installed(backend):
        os.environ["MPLBACKEND"] = "Agg"


def _is_installed(backend: str) -> bool:
    """Whether Matplotlib, which must not be imported yet, will find a backend."""
    package = backend.removeprefix("module://").partition(".")[0]
    if backend.startswith("module://"):
        return package.isidentifier() and find_spec(package) is not None
    name = backend.lower()
    return _is_own(_ALIASES.get(name, name)) or _is_plugin(name)


def _is_own(name: str) -> bool:
    matplotlib = find_spec("matplotlib")
    folders = (matplotlib and matplotlib.submodule_search_locations) or ()
    return any((Path(folder) / "backends" / f"backend_{name}.py").is_file() for folder in folders)


def _is_plugin(name: str) -> bool:
    from importlib.metadata import entry_points

    return name in entry_points(group="matplotlib.backend").names
