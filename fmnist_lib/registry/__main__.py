"""Deliver spooled runs to MLflow, promote a version, roll back, or show the audit log."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import FmnistError, TrackingError
from fmnist_lib.common.paths import path_argument, resolve_path
from fmnist_lib.common.process import user_name
from fmnist_lib.config.base import PROJECT_ROOT
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.registry.audit_log import entries
from fmnist_lib.registry.promotion import promote, read_measures, rollback
from fmnist_lib.registry.spool import deliver, only_one, waiting
from fmnist_lib.registry.store import client, mlflow_calls, prepare_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.config.training import Settings
    from fmnist_lib.registry.store import TrackingStore


def sync(options: argparse.Namespace, settings: Settings) -> int:
    """Deliver every spooled run; a failure does not stop the others."""
    directory = resolve_path(settings.tracking.spool, options.root)
    places = waiting(directory)
    if not places:
        _print(f"No spooled runs in {directory}.")
        return 0
    failed = 0
    with only_one(directory):
        store = _store(options, settings)
        for place in places:
            try:
                tracked = deliver(store, place)
            except TrackingError as error:
                failed += 1
                sys.stderr.write(f"{place.name} stays in the spool: {error}\n")
                continue
            decision = f": {tracked.decision.reason}" if tracked.decision else ""
            _print(f"{place.name} is {tracked.model_uri}, {tracked.alias}{decision}.")
    return 1 if failed else 0


def promote_version(options: argparse.Namespace, settings: Settings) -> int:
    """Promote a version if it passes the gates of the configuration."""
    store, name = _store(options, settings), settings.tracking.model_name
    version = options.version or _challenger(store, name)
    measures = read_measures(store, name, version)
    decision = promote(store, name, version, measures, settings.gates, by=options.by)
    for gate in decision.gates:
        verdict = "passed" if gate.passed else "FAILED"
        _print(f"{verdict}  {gate.name}: {gate.measured} ({gate.required}; {gate.explanation})")
    verdict = "is the champion now" if decision.promoted else "did not become champion"
    _print(f"Version {version} of {name} {verdict}.")
    return 0 if decision.promoted else 1


def roll_back(options: argparse.Namespace, settings: Settings) -> int:
    """Move the alias back to the previous champion, or to a version."""
    store, name = _store(options, settings), settings.tracking.model_name
    entry = rollback(store, name, options.to, by=options.by, reason=options.reason)
    _print(f"Version {entry.version} of {name} is the champion again, in place of {entry.before}.")
    return 0


def show_trail(options: argparse.Namespace, settings: Settings) -> int:
    """List every attempt to move the alias, in order."""
    store = _store(options, settings)
    with mlflow_calls(store.uri):
        found = entries(client(store.uri), settings.tracking.model_name)
    for entry in found:
        _print(
            f"{entry.number:>4}  {entry.created}  version {entry.version:<4} {entry.outcome:<12} "
            f"by {entry.by or 'unknown'}, champion before: {entry.before or 'none'}. {entry.reason}"
        )
    if not found:
        _print(f"No promotions of {settings.tracking.model_name} yet.")
    return 0


def _challenger(store: TrackingStore, name: str) -> str:
    from fmnist_lib.registry.versions import CHALLENGER, version_behind

    with mlflow_calls(store.uri):
        version = version_behind(client(store.uri), name, CHALLENGER)
    if version is None:
        raise TrackingError(
            f"{name}: expected a version with the alias '{CHALLENGER}', got none. Train one: "
            "`python flows/train.py run`."
        )
    return version


def _store(options: argparse.Namespace, settings: Settings) -> TrackingStore:
    return prepare_store(settings.tracking, options.root, os.environ.get("MLFLOW_TRACKING_URI"))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fmnist_lib.registry", description=__doc__)
    parser.add_argument(
        "--config", type=path_argument, default=DEFAULT_CONFIG, help="TOML or JSON file"
    )
    parser.add_argument(
        "--root", type=path_argument, default=PROJECT_ROOT, help="directory that holds mlruns/"
    )
    parser.add_argument("--by", default=user_name(), help="user, for the audit log")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("sync", help="deliver spooled runs").set_defaults(run=sync)
    command = commands.add_parser("promote", help="make a version champion if it passes the gates")
    command.add_argument("version", nargs="?", help="default: the one with the alias challenger")
    command.set_defaults(run=promote_version)
    command = commands.add_parser("rollback", help="go back to the previous champion")
    command.add_argument("--to", metavar="VERSION", help="or to this version")
    command.add_argument("--reason", default="", help="for the audit log")
    command.set_defaults(run=roll_back)
    commands.add_parser("trail", help="show the audit log").set_defaults(run=show_trail)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; report an error as one message."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options, read_settings(options.config))
    except FmnistError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return result


if __name__ == "__main__":
    raise SystemExit(main())
