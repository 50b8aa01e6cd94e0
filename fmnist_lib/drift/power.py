"""Read the power study: alarm rates of the tests by shift and batch size."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from fmnist_lib.common.statistics import Estimate

#: Written by ``benchmarks/drift_power.py``.
POWER_FILE = Path(__file__).with_name("power.csv")


@dataclass(frozen=True)
class PowerRow:
    """Alarms of one test under one shift.

    Attributes
    ----------
    method, shift : str
        The shift "none" is the null hypothesis: its rate is the false-alarm rate.
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
    """Return all rows of the power study; empty if the file does not exist."""
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(_row(line) for line in csv.DictReader(file))


def power_at(
    n: int, rows: tuple[PowerRow, ...], method: str = "ks-default"
) -> tuple[PowerRow, ...]:
    """Rows of the largest studied batch size that is at most `n`: a lower bound of the power."""
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
