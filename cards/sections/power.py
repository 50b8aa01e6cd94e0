"""Section on the power of the test, used by the drift and the monitor card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import heatmap
from fmnist_lib.common.formatting import percent, short_list
from fmnist_lib.drift.detection import RELIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.drift.power import PowerRow

#: Share of shifted images that the sentence refers to.
_SENTENCE_FRACTION = 0.5


def power(study: Sequence[PowerRow]) -> list[MetaflowCardComponent]:
    """Section on the power at this batch size; empty without a power study."""
    shifts = [row for row in study if row.shift != "none"]
    if not shifts:
        return []
    null = [percent(row.rate.value) for row in study if row.shift == "none"]
    false = f" Its false-alarm rate without a shift is {null[0]}." if null else ""
    return [
        Markdown(f"## Power of the test: {_finding(shifts)}"),
        Markdown(
            f"A kind of shift is detected if at least {percent(RELIABLE, 0)} of its batches of "
            f"{shifts[0].n:,} images raise the alarm.{_extremes(shifts)}{false}"
        ),
        *_rates(shifts),
    ]


def _finding(shifts: Sequence[PowerRow]) -> str:
    """Return which kinds are missed at the smallest share of shifted images."""
    smallest = min(row.fraction for row in shifts)
    rows = sorted(
        (row for row in shifts if row.fraction == smallest), key=lambda row: row.rate.value
    )
    when = f"if {percent(smallest, 0)} of the batch is shifted"
    missed = [
        f"{row.shift.replace('_', ' ')} ({percent(row.rate.value, 0)})"
        for row in rows
        if row.rate.value < RELIABLE
    ]
    if not missed:
        return f"every kind of shift is detected {when}"
    if len(missed) == len(rows):
        return f"no kind of shift is detected {when}"
    found = len(rows) - len(missed)
    verb = "is" if found == 1 else "are"
    return (
        f"{found} of {len(rows)} kinds of shift {verb} detected {when}; "
        f"missed: {short_list(missed)}"
    )


def _extremes(shifts: Sequence[PowerRow]) -> str:
    """Return the sentence on the kinds that are easiest and hardest to detect."""
    ranked = sorted(
        (row for row in shifts if row.fraction == _SENTENCE_FRACTION),
        key=lambda row: row.rate.value,
    )
    if not ranked:
        return ""
    best, worst = ranked[-1], ranked[0]
    rate = percent(best.rate.value, 0)
    alarm = f" If half of a batch is shifted, the test raises an alarm in {rate}"
    if best.rate.value == worst.rate.value:
        return f"{alarm} of the batches for every kind."
    return (
        f"{alarm} of the batches for {_shift(best)}, and in {percent(worst.rate.value, 0)} for "
        f"{_shift(worst)}."
    )


def _rates(shifts: Sequence[PowerRow]) -> list[MetaflowCardComponent]:
    """Build the matrix of detection rates."""
    cells: list[dict[str, Any]] = [
        {
            "row": row.shift.replace("_", " "),
            "column": f"{percent(row.fraction, 0)} shifted",
            "share": row.rate.value,
        }
        for row in sorted(shifts, key=lambda row: row.fraction)
    ]
    numbers = "; ".join(
        f"{cell['row']}, {cell['column']}: {percent(cell['share'], 0)}" for cell in cells
    )
    return [
        Markdown("Detection rate by kind of shift and share of shifted images:"),
        heatmap(f"Detection rate: {numbers}.", cells, (0.0, 1.0)),
    ]


def _shift(row: PowerRow) -> str:
    return f"*{row.shift.replace('_', ' ')}*"
