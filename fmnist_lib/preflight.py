"""What can be known before a run is checked before it: nothing is computed in vain."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fmnist_lib.config import Settings, read_settings
from fmnist_lib.errors import ConfigError, FmnistError
from fmnist_lib.paths import resolve_path
from fmnist_lib.tracking.supported import check_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fmnist_lib.monitor_config import MonitorSettings


def check_before_start(
    settings: Settings | MonitorSettings, root: Path, environment_uri: str | None
) -> None:
    """Check what a run will need at its end: the tracking store, and places to write to.

    Writes nothing, and asks no server: one that is away now may be back when the run ends.

    Parameters
    ----------
    settings : Settings or MonitorSettings
    root : Path
        The project, where relative paths of the settings start.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.

    Raises
    ------
    ConfigError
        Something cannot work; the message names the key or the variable.
    """
    check_store(settings.tracking, root, environment_uri)
    for key, directory in _directories(settings):
        check_directory(key, resolve_path(directory, root))
    if not isinstance(settings, Settings):
        check_file("signal", resolve_path(settings.signal, root))
        _check_retraining(settings, root, environment_uri)


def check_exists(key: str, path: str | None) -> None:
    """Refuse a path of the settings or the command line where nothing lies; None is no path."""
    if path is None or os.path.lexists(resolve_path(path)):
        return
    raise ConfigError(
        f"{key}: expected a file or directory, found nothing at {resolve_path(path)}. "
        "Check the path; a relative one starts at the working directory."
    )


def check_directory(key: str, directory: Path) -> None:
    """Refuse a directory that cannot be written, or made."""
    there = _existing(directory)
    if not there.is_dir():
        raise ConfigError(
            f"{key}: expected a directory, got {directory}, where {there} is a file. Name another."
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{key}: expected a directory that can be written, got {directory}, where {there} is "
            "read-only. Name another, or change its permissions."
        )


def check_file(key: str, file: Path) -> None:
    """Refuse a file that cannot be replaced."""
    if file.is_dir():
        raise ConfigError(f"{key}: expected a file, got the directory {file}. Name a file in it.")
    check_directory(key, file.parent)


def _directories(settings: Settings | MonitorSettings) -> Iterator[tuple[str, str]]:
    yield "tracking.spool", settings.tracking.spool
    if isinstance(settings, Settings):
        yield "release.directory", settings.release.directory
        yield "search.cache", settings.search.cache


def _existing(path: Path) -> Path:
    """Return the path, or the nearest directory above it that is there."""
    while not os.path.lexists(path):
        path = path.parent
    return path


def _check_retraining(settings: MonitorSettings, root: Path, environment_uri: str | None) -> None:
    """Check the configuration that a retraining run is started with."""
    path = resolve_path(settings.retrain.config, root)
    try:
        check_before_start(read_settings(path), root, environment_uri)
    except FmnistError as error:
        raise ConfigError(f"retrain.config: {error}") from None
