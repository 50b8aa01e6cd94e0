"""Check or unpack a bundle: python -m fmnist_lib.release verify|unpack BUNDLE.zip [DIRECTORY]."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fmnist_lib.common.paths import path_argument
from fmnist_lib.release.archive import BundleError, sha256_of, unpack, verify
from fmnist_lib.release.reproduce import other_files

if TYPE_CHECKING:
    from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 when the bundle is unchanged."""
    parser = argparse.ArgumentParser(prog="python -m fmnist_lib.release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="list everything that was changed")
    check.add_argument(
        "bundle", type=path_argument, help="zip file, or the directory it was unpacked to"
    )
    check.add_argument("--sha256", help="of the zip file, from the run's summary")
    out = commands.add_parser("unpack", help="check it, then unpack it into a new directory")
    out.add_argument("bundle", type=path_argument)
    out.add_argument("directory", type=path_argument)
    options = parser.parse_args(arguments)
    try:
        if options.command == "unpack":
            unpack(options.bundle, options.directory)
            sys.stdout.write(f"unpacked to {options.directory}\n")
            return 0
        return _verify(options.bundle, options.sha256)
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _verify(bundle: Path, sha256: str | None) -> int:
    if sha256 and bundle.is_dir():
        raise BundleError(
            f"{bundle}: expected the zip file, whose SHA-256 is to be compared, got the directory "
            "it was unpacked to. Name the zip file, or leave --sha256 out."
        )
    problems = verify(bundle)
    if not problems and sha256 and sha256_of(bundle) != sha256.strip().lower():
        problems = [f"{bundle.name}: expected the SHA-256 {sha256}, got another"]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    if not problems:
        sys.stdout.write("unchanged\n")
        _report_others(bundle)
    return 1 if problems else 0


def _report_others(bundle: Path) -> None:
    others = other_files(bundle) if bundle.is_dir() else []
    if others:
        sys.stdout.write(f"not packed, and not used: {', '.join(others)}\n")


if __name__ == "__main__":
    raise SystemExit(main())
