"""Checks before a run starts, so that it does not fail at its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import ConfigError, FmnistError
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import Settings
from fmnist_lib.registry.store import StoreAddress
from fmnist_lib.registry.store_check import check_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fmnist_lib.config.monitor import MonitorSettings


def check_before_start(
    settings: Settings | MonitorSettings, root: Path, environment_uri: str | None
) -> None:
    """Check what a run needs at its end: the tracking store and writable directories.

    Writes nothing and contacts no server: one that is down now may be up when the run ends.

    Parameters
    ----------
    settings : Settings or MonitorSettings
    root : Path
        The project, base of relative paths in the settings.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.

    Raises
    ------
    ConfigError
        A check failed; the message names the key or the variable.
    """
    check_store(StoreAddress(settings.tracking, root, environment_uri))
    for key, directory in _directories(settings):
        check_directory(key, resolve_path(directory, root))
    if not isinstance(settings, Settings):
        check_file("signal", resolve_path(settings.signal, root))
        _check_retraining(settings, root, environment_uri)


def check_exists(key: str, path: str | None) -> None:
    """Raise ConfigError if a path of the settings or the command line is missing; skip None."""
    if path is None or os.path.lexists(resolve_path(path)):
        return
    raise ConfigError(
        f"{key}: expected a file or directory, found nothing at {resolve_path(path)}. "
        "Check the path; a relative one starts at the working directory."
    )


def check_directory(key: str, directory: Path) -> None:
    """Raise ConfigError unless a directory is writable or can be created."""
    existing = _nearest_existing(directory)
    if not existing.is_dir():
        raise ConfigError(
            f"{key}: expected a directory, got {directory}, where {existing} is a file. "
            "Name another."
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{key}: expected a writable directory, got {directory}, where {existing} is "
            "read-only. Name another, or change its permissions."
        )


def check_file(key: str, file: Path) -> None:
    """Raise ConfigError unless a file can be written."""
    if file.is_dir():
        raise ConfigError(f"{key}: expected a file, got the directory {file}. Name a file in it.")
    check_directory(key, file.parent)


def _directories(settings: Settings | MonitorSettings) -> Iterator[tuple[str, str]]:
    yield "tracking.spool", settings.tracking.spool
    if isinstance(settings, Settings):
        yield "release.directory", settings.release.directory
        yield "search.cache", settings.search.cache


def _nearest_existing(path: Path) -> Path:
    """Return the path if it exists, else its nearest existing parent."""
    while not os.path.lexists(path):
        path = path.parent
    return path


def _check_retraining(settings: MonitorSettings, root: Path, environment_uri: str | None) -> None:
    """Check the configuration of a retraining run."""
    path = resolve_path(settings.retrain.config, root)
    try:
        check_before_start(read_settings(path), root, environment_uri)
    except FmnistError as error:
        raise ConfigError(f"retrain.config: {error}") from None
