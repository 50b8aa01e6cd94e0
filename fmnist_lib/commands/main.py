"""The commands of ``python -m fmnist_lib``.

Made with click, not typer: click is locked already as a dependency of MLflow, and starts faster.
Commands import what they need when they run, so that the help is immediate.
"""

from __future__ import annotations

from typing import Any

import click

from fmnist_lib.commands.bundle import bundle
from fmnist_lib.commands.config import config
from fmnist_lib.commands.data import data
from fmnist_lib.commands.predict import predict
from fmnist_lib.commands.registry import registry
from fmnist_lib.commands.serve import serve
from fmnist_lib.commands.study import study
from fmnist_lib.common.errors import FmnistError


class CommandLine(click.Group):
    """Group of commands whose `FmnistError` is one message on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except FmnistError as error:
            raise click.ClickException(str(error)) from error


@click.group(
    cls=CommandLine,
    commands=[predict, serve, bundle, registry, config, data, study],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def fmnist() -> None:
    """Use the models, bundles and data of the Fashion-MNIST pipeline.

    Exit codes: 0 done; 1 a mistake in the input, or refused; 2 wrong usage; 130 and 143 ended by
    SIGINT and SIGTERM. Training and monitoring are run by `python flows/train.py` and
    `python flows/monitor.py`.
    """
