"""Section on the power of the test, used by the drift and the monitor card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import heatmap
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.drift.power import PowerRow

#: Share of shifted images that the summary refers to.
_SUMMARY_FRACTION = 0.5


def power(study: Sequence[PowerRow]) -> list[MetaflowCardComponent]:
    """Section on the power at this batch size; empty without a power study."""
    rows = [row for row in study if row.fraction == _SUMMARY_FRACTION]
    if not rows:
        return []
    ranked = sorted(rows, key=lambda row: row.rate.value)
    best, worst = ranked[-1], ranked[0]
    null = [percent(row.rate.value) for row in study if row.shift == "none"]
    false = f" Its false-alarm rate without a shift is {null[0]}." if null else ""
    finding = (
        f"{worst.shift.replace('_', ' ')} is the hardest to detect"
        if worst.rate.value < best.rate.value
        else "every shift is detected equally often"
    )
    return [
        Markdown(f"## Power of the test: {finding}"),
        Markdown(
            f"If half of a batch of {best.n:,} images has the shift, the test raises an alarm in "
            f"{percent(best.rate.value, 0)} of the batches for {_shift(best)}, and in "
            f"{percent(worst.rate.value, 0)} for {_shift(worst)}.{false}"
        ),
        *_rates(study),
    ]


def _rates(study: Sequence[PowerRow]) -> list[MetaflowCardComponent]:
    """Build the matrix of detection rates."""
    cells: list[dict[str, Any]] = [
        {
            "row": row.shift.replace("_", " "),
            "column": f"{percent(row.fraction, 0)} shifted",
            "share": row.rate.value,
        }
        for row in sorted(study, key=lambda row: row.fraction)
        if row.shift != "none"
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
