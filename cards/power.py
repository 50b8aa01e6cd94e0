"""What a test would have noticed: a part of the cards of drift and of the monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import percent, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.drift.power import PowerRow

#: Share of shifted images that the sentence speaks of.
_SENTENCE_FRACTION = 0.5


def power(study: Sequence[PowerRow]) -> list[MetaflowCardComponent]:
    """What would have been noticed at this number of images, by the power study."""
    rows = [row for row in study if row.fraction == _SENTENCE_FRACTION]
    if not rows:
        return []
    ranked = sorted(rows, key=lambda row: row.rate.value)
    seen, missed = ranked[-1], ranked[0]
    null = [percent(row.rate.value) for row in study if row.shift == "none"]
    false = f" Without any shift it raised the alarm {null[0]} of the time." if null else ""
    return [
        Markdown("## The power of this test"),
        Markdown(
            f"At n = {seen.n} this test would have seen {_shift(seen)} in half of the images "
            f"{percent(seen.rate.value, 0)} of the time, and {_shift(missed)} "
            f"{percent(missed.rate.value, 0)} of the time.{false}"
        ),
        _power_table(study),
    ]


def _power_table(rows: Sequence[PowerRow]) -> MetaflowCardComponent:
    fractions = sorted({row.fraction for row in rows if row.shift != "none"})
    rates = {(row.shift, row.fraction): row.rate for row in rows}
    shifts = list(dict.fromkeys(row.shift for row in rows if row.shift != "none"))
    return table(
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
