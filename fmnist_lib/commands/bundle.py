"""``bundle``: check or unpack the bundle of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fmnist_lib.commands.options import UserPath, json_option, print_json

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def bundle() -> None:
    """Check or unpack the bundle of a run."""


@bundle.command()
@click.argument("path", metavar="BUNDLE", type=UserPath())
@click.option("--sha256", help="Expected SHA-256 of the zip file, from the run's summary.")
@json_option
def verify(path: Path, sha256: str | None, as_json: bool) -> None:
    """List every file of BUNDLE that was changed.

    BUNDLE is the zip file, or the directory it was unpacked to. Exit code 1 if anything was
    changed.
    """
    from fmnist_lib.release.reproduce import other_files

    problems = _problems(path, sha256)
    others = other_files(path) if path.is_dir() and not problems else []
    if as_json:
        print_json({"unchanged": not problems, "problems": problems, "other_files": others})
    else:
        click.echo("\n".join(problems or ["unchanged"]))
        if others:
            click.echo(f"not packed, and not used: {', '.join(others)}")
    sys.exit(1 if problems else 0)


def _problems(path: Path, sha256: str | None) -> list[str]:
    from fmnist_lib.common.files import sha256_of
    from fmnist_lib.release.archive import BundleError, verify

    if sha256 and path.is_dir():
        raise BundleError(
            f"{path}: expected the zip file, whose SHA-256 is to be compared, got the directory "
            "it was unpacked to. Name the zip file, or leave --sha256 out."
        )
    problems = verify(path)
    if not problems and sha256 and (found := sha256_of(path)) != sha256.strip().lower():
        problems = [f"{path.name}: expected the SHA-256 {sha256}, got {found}"]
    return problems


@bundle.command()
@click.argument("path", metavar="BUNDLE", type=UserPath())
@click.argument("directory", type=UserPath())
def unpack(path: Path, directory: Path) -> None:
    """Check the zip file BUNDLE, then unpack it into a new DIRECTORY."""
    from fmnist_lib.release.archive import unpack as unpack_bundle

    unpack_bundle(path, directory)
    click.echo(f"unpacked to {directory}")
