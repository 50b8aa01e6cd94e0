"""``predict``: predict every image of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fmnist_lib.commands.options import (
    UserPath,
    json_option,
    load_named_model,
    model_options,
    print_json,
    sets_option,
)
from fmnist_lib.common.labels import LABEL_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.common.labels import LabelColumn


@click.command()
@model_options
@click.option(
    "--in",
    "source",
    type=UserPath(),
    required=True,
    help="Images: IDX (.gz or not), .npy, .npz, .csv, .parquet, or a folder of PNG files.",
)
@click.option(
    "--out", "target", type=UserPath(), required=True, help="FILE.csv or FILE.parquet to write."
)
@click.option(
    "--label-column",
    type=click.Choice(LABEL_COLUMNS),
    help="Position of the labels in a table without column names; default: inferred from the "
    "values.",
)
@sets_option
@json_option
def predict(
    source: Path,
    target: Path,
    label_column: LabelColumn | None,
    level: float | None,
    as_json: bool,
    **model: Any,
) -> None:
    """Predict every image of a file.

    The predictions are written as a table, which appears only when it is complete.
    """
    from tqdm import tqdm

    from fmnist_lib.workflows.predict import predict_file

    loaded = load_named_model(**model)
    # None: only on a terminal.
    with tqdm(unit=" images", disable=None) as bar:
        total = predict_file(loaded, source, target, bar.update, label_column, level=level)
    if as_json:
        print_json({"images": total, "output": str(target)})
    else:
        click.echo(f"{total} predictions in {target}")
