"""Environment of the process: cores, user name, home directory and Matplotlib backend."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Debian's placeholder for a missing home directory; nothing is written there.
NO_HOME = "/nonexistent"
#: Limits of the container, if this is one (cgroup 2).
_CGROUP = Path("/sys/fs/cgroup")
#: Matplotlib's own name for one of its backends that has no module of that name.
_ALIASES = {"notebook": "nbagg"}


def available_cores(cgroup: Path = _CGROUP) -> int:
    """Return the number of cores this process may use, at most a container's CPU limit."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    # No such file outside a container; "max" without a limit.
    with suppress(OSError, ValueError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def available_memory(cgroup: Path = _CGROUP) -> int:
    """Return the bytes of memory this process may still use, within a container's limit."""
    import psutil

    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        limit, used = (int((cgroup / f"memory.{kind}").read_text()) for kind in ("max", "current"))
        free = min(free, max(limit - used, 0))
    return free


def command_options(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Return the options of a command line, each with what follows it.

    Parameters
    ----------
    arguments : sequence of str
        ``--name value`` or ``--name=value``; the word after a flag is no value.

    Examples
    --------
    >>> command_options(["train.py", "--datastore=s3", "run", "--seed", "1"])
    [('--datastore', 's3'), ('--seed', '1')]
    """
    words: list[str] = []
    for word in arguments:
        words += word.split("=", 1) if word.startswith("--") else [word]
    return [(name, value) for name, value in pairwise([*words, ""]) if name.startswith("--")]


def user_name() -> str:
    """Return the user's login name, or ``uid-<number>`` if there is none.

    A container started with an arbitrary user id (``-u 54321``) has no passwd entry for it, and
    often no environment variable with a user name.
    """
    import getpass

    try:
        return getpass.getuser()
    # Python up to 3.12 raises KeyError, later ones OSError.
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def set_missing(variables: dict[str, str]) -> None:
    """Set the variables that the environment lacks, or has empty."""
    os.environ.update({key: value for key, value in variables.items() if not os.environ.get(key)})


def prepare_process() -> None:
    """Set HOME and MPLBACKEND if libraries could not be imported otherwise."""
    name_missing_home()
    replace_missing_backend()


def name_missing_home() -> None:
    """Set HOME if neither the environment nor the system has a home directory.

    MLflow cannot be imported otherwise.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NO_HOME


def metaflow_user() -> dict[str, str]:
    """Return a user name for Metaflow, which stops with "Unknown user" without one or for root.

    USERNAME is the last variable that Metaflow reads before USER, so METAFLOW_USER in the
    environment or in Metaflow's own configuration still takes precedence.
    """
    names = (os.environ.get(key) for key in ("SUDO_USER", "USERNAME", "USER"))
    if any(name and name != "root" for name in names):
        return {}
    name = user_name()
    return {"USERNAME": "container-root" if name == "root" else name}


def client_cache() -> dict[str, str]:
    """Return the variable that gives Metaflow's Client API a cache of this user's own.

    Its default is one directory for all users of the machine, which only the first can write.
    """
    place = Path(tempfile.gettempdir()) / f"metaflow_client-{os.getuid()}"
    return {"METAFLOW_CLIENT_CACHE_PATH": str(place)}


def can_write_home() -> bool:
    """Return True if the home directory exists and is writable, for the caches of libraries."""
    home = Path.home()
    return home.is_dir() and os.access(home, os.W_OK | os.X_OK)


def replace_missing_backend() -> None:
    """Set MPLBACKEND to Agg if it names a backend that is not installed.

    A notebook sets MPLBACKEND for every process it starts, and Matplotlib cannot be imported if
    that backend is not installed. An installed one is kept, so that a notebook which imports this
    library still shows its figures.
    """
    backend = os.environ.get("MPLBACKEND")
    if backend and "matplotlib" not in sys.modules and not _is_installed(backend):
        os.environ["MPLBACKEND"] = "Agg"


def _is_installed(backend: str) -> bool:
    """Return True if Matplotlib, which must not be imported yet, will find a backend."""
    package = backend.removeprefix("module://").partition(".")[0]
    if backend.startswith("module://"):
        return package.isidentifier() and find_spec(package) is not None
    name = backend.lower()
    return _is_builtin(_ALIASES.get(name, name)) or _is_plugin(name)


def _is_builtin(name: str) -> bool:
    matplotlib = find_spec("matplotlib")
    folders = (matplotlib and matplotlib.submodule_search_locations) or ()
    return any((Path(folder) / "backends" / f"backend_{name}.py").is_file() for folder in folders)


def _is_plugin(name: str) -> bool:
    from importlib.metadata import entry_points

    return name in entry_points(group="matplotlib.backend").names
