"""``config``: check settings, and print them with their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fmnist_lib.commands.options import UserPath, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.base import Section

_file = click.argument("file", required=False, type=UserPath())


@click.group()
def config() -> None:
    """Check a configuration file and print its settings.

    With FILE: every setting with its value. Without: the JSON schema (every key, its type, range
    and default) and the values of the shipped file.
    """


@config.command()
@_file
def train(file: Path | None) -> None:
    """Print settings of training; shipped as config/train.toml."""
    from fmnist_lib.config.training import DEFAULT_CONFIG, Settings

    _print(file, Settings, DEFAULT_CONFIG)


@config.command()
@_file
def monitor(file: Path | None) -> None:
    """Print settings of the monitor; shipped as config/monitor.toml."""
    from fmnist_lib.config.monitor import DEFAULT_MONITOR_CONFIG, MonitorSettings

    _print(file, MonitorSettings, DEFAULT_MONITOR_CONFIG)


def _print(file: Path | None, model: type[Section], default: Path) -> None:
    from fmnist_lib.config.loading import read_settings

    resolved = read_settings(file or default, model).model_dump(mode="json")
    schema = {"schema": model.model_json_schema(), "resolved": resolved}
    print_json(resolved if file else schema)
