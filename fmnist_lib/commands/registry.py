"""``registry``: promote a version, roll back, show the audit log, deliver spooled runs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fmnist_lib.commands.options import (
    UserPath,
    config_option,
    environment_uri,
    json_option,
    print_json,
)
from fmnist_lib.common.process import user_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.registry.store import TrackingStore

Command = TypeVar("Command", bound="Callable[..., Any]")


def _project() -> Path:
    from fmnist_lib.common.paths import PROJECT_ROOT

    return PROJECT_ROOT


def _store_options(command: Command) -> Command:
    """Add the options of `_open`."""
    root = click.option(
        "--root",
        type=UserPath(),
        default=_project,
        show_default="the project",
        help="Directory that holds mlruns/.",
    )
    return config_option(root(command))


by_option = click.option(
    "--by", default=user_name, show_default="your login name", help="User, for the audit log."
)


def _open(config: Path, root: Path) -> tuple[TrackingStore, Settings]:
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.config.training import Settings
    from fmnist_lib.registry.store import StoreAddress, prepare_store

    settings = read_settings(config, Settings)
    return prepare_store(StoreAddress(settings.tracking, root, environment_uri())), settings


@click.group()
def registry() -> None:
    """Change the champion, show the audit log, deliver runs.

    The store is the one that the configuration names, else MLFLOW_TRACKING_URI, else mlruns/.
    """


@registry.command()
@_store_options
@json_option
def log(as_json: bool, **store_options: Any) -> None:
    """Show every attempt to change the champion."""
    from fmnist_lib.registry.audit_log import read_audit_log
    from fmnist_lib.registry.store import client, mlflow_calls

    store, settings = _open(**store_options)
    name = settings.tracking.model_name
    with mlflow_calls(store.uri):
        found = read_audit_log(client(store.uri), name)
    if as_json:
        print_json([asdict(entry) for entry in found])
        return
    for entry in found:
        click.echo(
            f"{entry.number:>4}  {entry.created}  version {entry.version:<4} {entry.outcome:<12} "
            f"by {entry.by or 'unknown'}, champion before: {entry.before or 'none'}. {entry.reason}"
        )
    if not found:
        click.echo(f"No promotions of {name} yet.")


@registry.command()
@click.argument("version", required=False)
@by_option
@_store_options
@json_option
def promote(version: str | None, by: str, as_json: bool, **store_options: Any) -> None:
    """Make VERSION the champion if it passes the gates.

    The gates are those of the configuration; exit code 1 if one fails. Without VERSION: the one
    with the alias challenger.
    """
    from fmnist_lib.registry.promotion import promote as promote_version
    from fmnist_lib.registry.promotion import read_measures

    store, settings = _open(**store_options)
    name = settings.tracking.model_name
    version = version or _challenger(store, name)
    measures = read_measures(store, name, version)
    decision = promote_version(store, name, version, measures, settings.gates, by=by)
    if as_json:
        print_json(asdict(decision))
    else:
        for gate in decision.gates:
            result = "passed" if gate.passed else "FAILED"
            click.echo(
                f"{result}  {gate.name}: {gate.measured} ({gate.required}; {gate.explanation})"
            )
        result = "is the champion now" if decision.promoted else "did not become champion"
        click.echo(f"Version {version} of {name} {result}.")
    sys.exit(0 if decision.promoted else 1)


def _challenger(store: TrackingStore, name: str) -> str:
    from fmnist_lib.common.errors import TrackingError
    from fmnist_lib.registry.store import client, mlflow_calls
    from fmnist_lib.registry.versions import CHALLENGER, find_version

    with mlflow_calls(store.uri):
        version = find_version(client(store.uri), name, alias=CHALLENGER)
    if version is None:
        raise TrackingError(
            f"{name}: expected a version with the alias '{CHALLENGER}', got none. Train one: "
            "`python flows/train.py run`."
        )
    return str(version.version)


@registry.command()
@click.option("--to", metavar="VERSION", help="Version to go back to; default: the one before.")
@click.option("--reason", default="", help="For the audit log.")
@by_option
@_store_options
@json_option
def rollback(to: str | None, reason: str, by: str, as_json: bool, **store_options: Any) -> None:
    """Go back to the previous champion, or to a version."""
    from fmnist_lib.registry.promotion import rollback as roll_back

    store, settings = _open(**store_options)
    name = settings.tracking.model_name
    entry = roll_back(store, name, to, by=by, reason=reason)
    if as_json:
        print_json(asdict(entry))
        return
    click.echo(
        f"Version {entry.version} of {name} is the champion now"
        + (f", in place of version {entry.before}." if entry.before else ".")
    )


@registry.command()
@_store_options
def sync(config: Path, root: Path) -> None:
    """Deliver spooled runs to MLflow.

    A run that fails stays in the spool and does not stop the others; exit code 1 if there is one.
    """
    from fmnist_lib.common.errors import FmnistError
    from fmnist_lib.common.paths import resolve_path
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.config.training import Settings
    from fmnist_lib.registry.spool import deliver, delivery_lock, spooled_runs
    from fmnist_lib.registry.store import StoreAddress, prepare_store

    settings = read_settings(config, Settings)
    directory = resolve_path(settings.tracking.spool, root)
    places = spooled_runs(directory)
    if not places:
        click.echo(f"No spooled runs in {directory}.")
        return
    failed = 0
    with delivery_lock(directory):
        store = prepare_store(StoreAddress(settings.tracking, root, environment_uri()))
        for place in places:
            try:
                tracked = deliver(store, place)
            except FmnistError as error:
                failed += 1
                click.echo(f"{place.name} stays in the spool: {error}", err=True)
                continue
            decision = f": {tracked.decision.reason}" if tracked.decision else ""
            click.echo(f"{place.name} is {tracked.model_uri}, {tracked.alias}{decision}.")
    sys.exit(1 if failed else 0)
