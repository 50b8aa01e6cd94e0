"""The process we run in: who its user is, where it may write, what Matplotlib may draw with."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

#: Home directory of a user without one, as Debian calls it: nothing is ever written there.
NO_HOME = "/nonexistent"
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


def prepare_process() -> None:
    """Set what libraries fail without when they are imported; whatever works stays."""
    name_missing_home()
    replace_missing_backend()


def name_missing_home() -> None:
    """Set HOME where neither the environment nor the system knows a home directory.

    MLflow can't be imported otherwise.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NO_HOME


def can_write_home() -> bool:
    """Whether libraries may keep their caches in the home directory."""
    home = Path.home()
    return home.is_dir() and os.access(home, os.W_OK | os.X_OK)


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
