"""Options and output that several commands share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.common.paths import expand_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.model_files.stored_model import LoadedModel

Command = TypeVar("Command", bound="Callable[..., Any]")


class UserPath(click.Path):
    """Path of a command line argument; ``~`` is expanded, which shells omit after ``--in=``.

    A relative path stays relative, so that messages show it as the user wrote it.
    """

    def __init__(self) -> None:
        # Reading and writing it is checked by the library, whose messages say what was expected.
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail when the home directory does not exist."""
        try:
            return super().convert(expand_home(value), param, ctx)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def default_config() -> Path:
    """Return the path of ``config/train.toml``."""
    from fmnist_lib.config.training import DEFAULT_CONFIG

    return DEFAULT_CONFIG


config_option = click.option(
    "--config",
    type=UserPath(),
    default=default_config,
    show_default="config/train.toml",
    help="TOML or JSON file with the settings.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def model_options(command: Command) -> Command:
    """Add the options of `load_named_model`."""
    for option in (
        click.option(
            "--max-model-mb",
            type=click.FloatRange(min=0),
            default=2000.0,
            show_default=True,
            help="Largest model to load.",
        ),
        click.option(
            "--allow-cloudpickle",
            is_flag=True,
            help="Load a model that can run any code, because you trust its source.",
        ),
        click.option(
            "--model",
            required=True,
            help="Bundle (.zip), model directory, or models:/NAME@ALIAS, models:/NAME/VERSION in "
            "MLflow.",
        ),
    ):
        command = option(command)
    return command


sets_option = click.option(
    "--sets",
    "level",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    metavar="LEVEL",
    help="Add the prediction set of every image: classes that have the true one with this "
    "probability, such as 0.95.",
)


def load_named_model(model: str, allow_cloudpickle: bool, max_model_mb: float) -> LoadedModel:
    """Load the model that the options name."""
    from fmnist_lib.workflows.model_source import load

    return load(
        model,
        environment_uri=environment_uri(),
        allow_cloudpickle=allow_cloudpickle,
        max_mb=max_model_mb,
    )


def environment_uri() -> str | None:
    """Return MLflow's address from the environment."""
    return os.environ.get("MLFLOW_TRACKING_URI")


def print_json(content: Any) -> None:
    """Print a result for a script."""
    click.echo(json.dumps(content, indent=2))
