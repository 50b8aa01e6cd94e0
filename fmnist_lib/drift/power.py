"""What the default test would have noticed at this number of images, by the power study."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from fmnist_lib.statistics import Estimate

#: Written by ``benchmarks/drift_power.py``.
POWER_FILE = Path(__file__).with_name("power.csv")


@dataclass(frozen=True)
class PowerRow:
    """Alarms of one test under one shift.

    Attributes
    ----------
    method, shift : str
        The shift "none" is the null: its rate is that of false alarms.
    fraction : float
        Share of the images that were shifted.
    n : int
        Images in a batch.
    alarms, repeats : int
    rate : Estimate
        Share of batches that raised the alarm, with its 95 % Wilson interval.
    """

    method: str
    shift: str
    fraction: float
    n: int
    alarms: int
    repeats: int
    rate: Estimate


def read_power(path: Path = POWER_FILE) -> tuple[PowerRow, ...]:
    """Read all rows of the power study; none if it was never run."""
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(_row(line) for line in csv.DictReader(file))


def power_at(
    n: int, rows: tuple[PowerRow, ...], method: str = "ks-default"
) -> tuple[PowerRow, ...]:
    """Rows of the largest studied number of images that is at most `n`: what was surely seen."""
    sizes = {row.n for row in rows if row.method == method and row.n <= n}
    if not sizes:
        return ()
    return tuple(row for row in rows if row.method == method and row.n == max(sizes))


def _row(line: dict[str, str]) -> PowerRow:
    return PowerRow(
        method=line["method"],
        shift=line["shift"],
        fraction=float(line["fraction"]),
        n=int(line["n"]),
        alarms=int(line["alarms"]),
        repeats=int(line["repeats"]),
        rate=Estimate(float(line["rate"]), float(line["low"]), float(line["high"])),
    )
