"""The rows of benchmarks/results/peers.csv, and their chart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from frontier import MEMORY

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

PROJECT = "fmnist-flow"
KEY = ["peer", "input", "minutes"]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    fit_seconds : float or None
        Wall time from the start to the fitted model: features (also those of the test images),
        imports and search.
    accuracy, low, high : float or None
        On the test images, with the 95 % Wilson interval.
    peak_gib : float or None
        Largest memory of the process and all it started, sampled twice a second; shared pages
        count once where the system reports them. Features are computed outside of it.
    """

    peer: str
    input: str
    minutes: float
    rows: int
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    peak_gib: float | None = None
    version: str = ""
    note: str = ""


def project_row(frontier: pd.DataFrame, minutes: float, seed: int, rows: int) -> Row | None:
    """Return the row of this project: its run of these minutes and this seed, if there is one.

    Parameters
    ----------
    frontier : DataFrame
        Of benchmarks/results/frontier.csv. The last such run counts.
    minutes : float
    seed : int
    rows : int
        Training images.
    """
    found = frontier[(frontier["minutes"] == minutes) & (frontier["seed"] == seed)]
    if found.empty:
        return None
    run = found.iloc[-1]
    comparable = run["memory"] == MEMORY
    note = f"run of frontier.csv, seed {seed}"
    return Row(
        peer=PROJECT,
        input="images",
        minutes=minutes,
        rows=rows,
        fit_seconds=run["budget_seconds"],
        accuracy=run["test_accuracy"],
        low=run["low"],
        high=run["high"],
        peak_gib=run["peak_gib"] if comparable else None,
        version=f"commit {run['commit']}" if pd.notna(run["commit"]) else "",
        note=note if comparable else f"{note}; its memory was counted in another way",
    )


class Table:
    """The rows measured so far, in a CSV file that is rewritten after every row.

    Parameters
    ----------
    path : Path
        The CSV file; the chart is beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frame = (
            pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(Row.__annotations__))
        )

    def add(self, row: Row) -> None:
        """Add a row, or replace that of the same peer, input and minutes."""
        new = pd.DataFrame([asdict(row)])
        both = new if self.frame.empty else pd.concat([self.frame, new], ignore_index=True)
        self.frame = both.drop_duplicates(KEY, keep="last", ignore_index=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.frame.to_csv(self.path, index=False)
        shown = self.frame[self.frame["minutes"] == row.minutes]
        self.path.with_suffix(".png").write_bytes(bar_chart(shown))
        print(new.T.to_string(header=False), end="\n\n", flush=True)

    def strongest(self, minutes: float, names: Collection[str]) -> str | None:
        """Return which of these peers was most accurate on pixels."""
        frame = self.frame[self.frame["peer"].isin(names)]
        rows = frame[(frame["minutes"] == minutes) & (frame["input"] == "pixels")]
        rows = rows.dropna(subset=["accuracy"])
        return None if rows.empty else str(rows.loc[rows["accuracy"].idxmax(), "peer"])


def bar_chart(frame: pd.DataFrame) -> bytes:
    """Return a chart of the test errors with Wilson intervals, the smallest on top, as PNG bytes.

    Errors, because bars must start at zero and accuracies near 0.9 would all look the same.
    """
    from fmnist_lib.common.plotting import PRIMARY, SECONDARY, new_figure, picture

    frame = frame.sort_values("accuracy", na_position="first", ignore_index=True)
    figure = new_figure(8, 1.2 + 0.45 * len(frame))
    axes = figure.subplots()
    error = 100 * (1 - frame["accuracy"].astype(float))
    reach = 100 * np.abs(
        frame[["high", "low"]].astype(float).T.to_numpy()
        - frame["accuracy"].astype(float).to_numpy()
    )
    colours = [PRIMARY if peer == PROJECT else SECONDARY for peer in frame["peer"]]
    axes.barh(frame.index, error.fillna(0), xerr=np.nan_to_num(reach), color=colours, capsize=3)
    for position, row in frame.iterrows():
        known = pd.notna(row["accuracy"])
        text = f"{100 * row['accuracy']:.2f} % correct" if known else "no predictions"
        place = 100 * (1 - row["low"]) if known else 0
        axes.annotate(text, (place, position), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(frame.index, frame["peer"] + " (" + frame["input"] + ")")
    axes.set_xlim(right=1.35 * max(np.nan_to_num(error.max()), 1))
    axes.set_xlabel("Test images classified wrongly, in %")
    title = (
        f"The same {frame['minutes'].iloc[0]:g} minutes, {frame['rows'].max():,} training images"
    )
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "peers", title, "").png
