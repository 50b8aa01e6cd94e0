"""``study``: join the search of a run from other processes and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fmnist_lib.commands.options import UserPath

if TYPE_CHECKING:
    from pathlib import Path

_MAX_PORT = 65_535


def _check_address(_: Any, parameter: click.Parameter, address: str) -> str:
    from fmnist_lib.common.errors import ConfigError
    from fmnist_lib.config.addresses import study_storage_problem

    if problem := study_storage_problem(address):
        raise ConfigError(f"{parameter.opts[0]}: {problem}.")
    return address


_storage = click.option(
    "--study-storage",
    "address",
    required=True,
    callback=_check_address,
    help="As in the run's configuration: postgresql+psycopg2://USER@HOST:PORT/DATABASE or "
    "grpc://HOST:PORT. The password comes from PGPASSWORD or ~/.pgpass.",
)


@click.group()
def study() -> None:
    """Join the search of a run from other processes and hosts.

    The run has to search with the same --study-storage.
    """


@study.command("list")
@_storage
def list_studies(address: str) -> None:
    """Print the names of the studies that workers may join, one per line."""
    from fmnist_lib.search.engines.shared_study import running_studies

    for name in running_studies(address):
        click.echo(name)


@study.command()
@_storage
@click.argument("name", metavar="STUDY")
@click.option("--data-dir", help="Directory with the four files; default: as in the run.")
@click.option(
    "--cache",
    type=UserPath(),
    help="Directory of feature columns; default: .cache in the project.",
)
def work(address: str, name: str, data_dir: str | None, cache: Path | None) -> None:
    """Run trials of STUDY until its search ends.

    STUDY is the name of a run and its candidate, such as FashionMnistTrain/17/optuna-kernel. This
    host needs the same version of the project and the same images.
    """
    from fmnist_lib.common.paths import PROJECT_ROOT
    from fmnist_lib.workflows.join_search import join_search

    def show(progress: tuple[int, float | None]) -> None:
        trials, best = progress
        score = "none has a score yet" if best is None else f"best {best:.4f}"
        click.echo(f"{trials} trials, {score}")

    cache = cache or PROJECT_ROOT / ".cache"
    n_run = join_search(address, name, PROJECT_ROOT, cache=cache, data_dir=data_dir, on_trial=show)
    click.echo(f"The search has ended; {n_run} trials were run here.")


@study.command()
@_storage
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, _MAX_PORT), default=13_000, show_default=True)
def proxy(address: str, host: str, port: int) -> None:
    """Serve a database to many workers over gRPC until stopped.

    The workers need neither the database's driver nor its password, and share its connections.
    The protocol has no authentication: listen only where every host is trusted.
    """
    from fmnist_lib.search.engines.shared_storage import serve_proxy

    click.echo(f"Serving the studies on port {port} of {host}. Ctrl+C stops it.", err=True)
    serve_proxy(address, host, port)
