"""Configuration of the flows: files, command line parameters and environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from project import PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.base import Section
    from fmnist_lib.config.release import TrackingConfig
    from fmnist_lib.registry.store import StoreAddress


def parse_training(text: str) -> dict[str, Any]:
    """Check the configuration of `FashionMnistTrain`; return plain values."""
    from fmnist_lib.config.training import DEFAULT_CONFIG, Settings

    _check_study_storage(sys.argv)
    return _parse(text, DEFAULT_CONFIG, Settings)


def _check_study_storage(arguments: list[str]) -> None:
    """Check the address before Metaflow stores it as a parameter: it may hold a password."""
    from metaflow.exception import MetaflowException

    from fmnist_lib.common.process import command_options
    from fmnist_lib.config.addresses import study_storage_problem

    for option, address in command_options(arguments):
        if option == "--study-storage" and (problem := study_storage_problem(address)):
            raise MetaflowException(f"--study-storage: {problem}.")


def resolve_training(config: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """Return the configuration with the command line parameters that are not None put in."""
    from fmnist_lib.config.loading import override, validate_settings

    settings = override(validate_settings(config, "configuration"), **parameters)
    return settings.model_dump(mode="json")


def parse_monitor(text: str) -> dict[str, Any]:
    """Check the configuration of `FashionMnistMonitor`; return plain values."""
    from fmnist_lib.config.monitor import DEFAULT_MONITOR_CONFIG, MonitorSettings

    return _parse(text, DEFAULT_MONITOR_CONFIG, MonitorSettings)


def _parse(text: str, default: Path, model: type[Section]) -> dict[str, Any]:
    from metaflow.exception import MetaflowException

    from fmnist_lib.common.errors import ConfigError
    from fmnist_lib.config.loading import parse_settings, source_of
    from fmnist_lib.workflows.preflight import check_before_start

    try:
        settings = parse_settings(text, source_of(text, sys.argv, default), model)
        if "run" in sys.argv:
            check_before_start(settings, PROJECT_ROOT, os.environ.get("MLFLOW_TRACKING_URI"))
        return settings.model_dump(mode="json")
    except ConfigError as error:
        raise MetaflowException(str(error)) from None


def store_address(config: TrackingConfig) -> StoreAddress:
    """Return the address of the tracking store; the environment's counts if none is configured.

    Raises
    ------
    ConfigError
        None is named, and this is a pod: the default, a file in it, would be lost with it.
    """
    from fmnist_lib.common.errors import ConfigError
    from fmnist_lib.registry.store import StoreAddress

    address = StoreAddress(config, PROJECT_ROOT, os.environ.get("MLFLOW_TRACKING_URI"))
    is_pod = bool(os.environ.get("METAFLOW_KUBERNETES_WORKLOAD"))
    if is_pod and not (config.uri or address.environment_uri):
        raise ConfigError(
            "tracking.uri: expected the address of an MLflow server for a step in a pod, got none. "
            "Set it, or MLFLOW_TRACKING_URI as a secret: docs/remote.md."
        )
    return address
