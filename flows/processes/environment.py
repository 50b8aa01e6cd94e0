"""The environment of a flow's process and of every process it starts."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from fmnist_lib.common.process import (
    available_cores,
    can_write_home,
    client_cache,
    metaflow_user,
    set_missing,
)

if TYPE_CHECKING:
    from pathlib import Path

#: Variables for the caches and settings of libraries; the default is the home directory.
_HOMES = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


def prepare_environment(project: Path) -> None:
    """Set what Metaflow, Matplotlib, Numba and BLAS read when they are imported.

    Call it before any of them is imported. The user's settings stay, except Matplotlib's backend:
    no step needs a display, and a notebook's backend may not be installed here.

    Parameters
    ----------
    project : Path
        Checkout, whose ``.cache`` replaces a home directory that can't be written.
    """
    os.environ["MPLBACKEND"] = "Agg"
    set_missing(_threads() | metaflow_user() | _caches(project) | client_cache())


def _threads() -> dict[str, str]:
    """Return the settings for one task per core and one thread per task.

    Metaflow would start sixteen tasks at once. Oversubscription is slow: two tasks of two threads
    each on two cores take many times as long as two of one. One more task shows the search.
    """
    workers = {f"METAFLOW_{command}_MAX_WORKERS" for command in ("RUN", "RESUME")}
    libraries = {f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")}
    return dict.fromkeys(workers, str(available_cores() + 1)) | dict.fromkeys(libraries, "1")


def _caches(project: Path) -> dict[str, str]:
    """Return directories that replace a home directory that can't be written."""
    if can_write_home() or all(os.environ.get(key) for key in _HOMES):
        return {}
    place = project / ".cache" / "home"
    try:
        place.mkdir(parents=True, exist_ok=True)
        usable = os.access(place, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    return dict.fromkeys(_HOMES, str(place) if usable else tempfile.mkdtemp(prefix="fmnist-"))
