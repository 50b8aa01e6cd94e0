"""Section on the power of the test, used by the drift and the monitor card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import details, folded_table
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
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
    return [
        Markdown("## Power of this test"),
        Markdown(
            f"With {best.n:,} images this test detects {_shift(best)} in half of the images "
            f"{percent(best.rate.value, 0)} of the time, and {_shift(worst)} "
            f"{percent(worst.rate.value, 0)} of the time.{false}"
        ),
        details("Detection rate by shift and share of shifted images", _power_table(study)),
    ]


def _power_table(rows: Sequence[PowerRow]) -> Markup:
    fractions = sorted({row.fraction for row in rows if row.shift != "none"})
    rates = {(row.shift, row.fraction): row.rate for row in rows}
    shifts = list(dict.fromkeys(row.shift for row in rows if row.shift != "none"))
    return folded_table(
        ["shift", *(f"in {percent(fraction, 0)} of the images" for fraction in fractions)],
        [
            (
                shift.replace("_", " "),
                *(
                    percent(rates[shift, one].value, 0) if (shift, one) in rates else ""
                    for one in fractions
                ),
            )
            for shift in shifts
        ],
    )


def _shift(row: PowerRow) -> str:
    return f"*{row.shift.replace('_', ' ')}*"
