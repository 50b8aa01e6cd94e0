"""Offline pages and tables made of runs: ``python -m cards page|compare|labels``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fmnist_lib.commands.main import CommandLine
from fmnist_lib.commands.options import UserPath, json_option, print_json
from fmnist_lib.common.process import client_cache, metaflow_user, set_missing


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
def cards() -> None:
    """Make pages of finished runs that open from a file, without a network."""
    # Before Metaflow is imported.
    set_missing(metaflow_user() | client_cache())


@cards.command()
@click.argument("run")
@click.option(
    "--out",
    type=UserPath(),
    default=Path("page"),
    show_default=True,
    help="New or empty directory.",
)
@click.option("--serve", is_flag=True, help="Serve it on 127.0.0.1 until Ctrl-C.")
@click.option("--port", default=8325, show_default=True, help="For --serve; 0: any free one.")
def page(run: str, out: Path, serve: bool, port: int) -> None:
    """Write the page of RUN: its cards, timeline and figures, to open without a network.

    RUN is a Metaflow run (FashionMnistTrain/ID or the ID alone) or a bundle, packed or unpacked.
    """
    from cards.pages.site import serve_site, write_site

    index = write_site(run, out)
    click.echo(index)
    if serve:
        serve_site(index.parent, port, click.echo)


@cards.command()
@click.argument("before")
@click.argument("after")
@click.option(
    "--out",
    type=UserPath(),
    default=Path("comparison.html"),
    show_default=True,
    help="The page; the same as JSON is written beside it.",
)
@json_option
def compare(before: str, after: str, out: Path, as_json: bool) -> None:
    """Compare two runs: what changed, and what it did to the predictions.

    BEFORE and AFTER are bundles, packed or unpacked, or Metaflow runs: FashionMnistTrain/ID or
    the ID alone.
    """
    from cards.client.run_results import read_results
    from cards.pages.comparison import comparison_json, comparison_page
    from fmnist_lib.common.files import write_atomically
    from fmnist_lib.evaluation.run_comparison import compare_runs

    comparison = compare_runs(read_results(before), read_results(after))
    content = comparison_json(comparison)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, comparison_page(comparison).encode())
    write_atomically(out.with_suffix(".json"), json.dumps(content, indent=2).encode())
    if as_json:
        print_json(content)
    else:
        click.echo(f"{out} and {out.with_suffix('.json')}")


@cards.command()
@click.argument("run")
@click.option("--out", type=UserPath(), default=Path("labels.csv"), show_default=True)
def labels(run: str, out: Path) -> None:
    """Write the suspect training labels of RUN as a table to fill in.

    RUN is FashionMnistTrain/ID or the ID alone. The column `corrected` is empty: fill it in where
    a label is wrong, and train with --corrections.
    """
    from cards.client.run_results import read_suspects
    from fmnist_lib.common.csv_cells import safe_cells
    from fmnist_lib.common.errors import DataError
    from fmnist_lib.common.files import write_atomically

    suspects = read_suspects(run)
    if out.exists():
        raise DataError(
            f"{out}: expected a new file, got one that may hold corrections. Name another with "
            "--out."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    table = safe_cells(suspects.assign(corrected=""))
    write_atomically(out, table.to_csv(index=False, float_format="%.6g").encode())
    click.echo(f"{out}: {len(suspects):,} labels")


if __name__ == "__main__":
    cards()
