"""The section that compares a run with the champion, for the summary card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import intervals, tooltip
from cards.parts.components import details
from cards.parts.escape import code, text
from cards.sections.difference import (
    change_row,
    changes_title,
    comparison_title,
    is_better,
    is_more_accurate,
)
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.evaluation.run_comparison import RunComparison

#: Changes that are listed; `python -m cards compare` lists all.
_MAX_CHANGES = 12
_COLOURS = {True: "primary", False: "alert", None: "secondary"}


def champion_section(comparison: RunComparison | None) -> list[MetaflowCardComponent]:
    """Build the section.

    Parameters
    ----------
    comparison : RunComparison or None
        The champion before this run first; None if there was none.
    """
    if comparison is None:
        return []
    first, second = comparison.first, comparison.second
    command = f"python -m cards compare {first.name} {second.name}"
    return [
        Markdown(f"## Against the champion: {text(_lower(comparison_title(comparison)))}"),
        Markdown(f"{_found(comparison)} All images that became correct or wrong: {code(command)}."),
        *_classes(comparison),
        details(
            _changed(comparison),
            ["what", "name", "champion", "this run"],
            (change_row(one) for one in comparison.changes[:_MAX_CHANGES]),
        ),
    ]


def accuracy_change(comparison: RunComparison | None) -> tuple[str, bool | None]:
    """Return the change of the test accuracy in words, and whether it is for the better.

    Empty and None without a champion that was tested on the same images.
    """
    if comparison is None or comparison.paired is None:
        return "", None
    points = f"{100 * comparison.difference.value:+.2f} points against the champion"
    return points, is_more_accurate(comparison)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _found(comparison: RunComparison) -> str:
    name = code(comparison.first.name)
    if comparison.paired is None:
        return f"The champion, {name}, was tested on other images."
    gained, lost = comparison.paired.only_first, comparison.paired.only_second
    return (
        f"{gained:,} test images are newly correct and {lost:,} newly wrong compared with the "
        f"champion, {name}."
    )


def _classes(comparison: RunComparison) -> list[MetaflowCardComponent]:
    """Build the differences of the recall per class."""
    if comparison.same_predictions:
        return []
    rows: list[dict[str, Any]] = [
        {
            "class": one.name,
            "value": 100 * one.difference.value,
            "low": 100 * one.difference.low,
            "high": 100 * one.difference.high,
            "champion": one.before,
            "this_run": one.after,
            "colour": _COLOURS[is_better(one.difference)],
        }
        for one in comparison.classes
    ]
    numbers = "; ".join(f"{row['class']} {row['value']:+.1f}" for row in rows)
    confidence = comparison.difference.confidence
    return [
        intervals(
            f"Difference of the recall in percentage points: {numbers}.",
            rows,
            "recall minus that of the champion, percentage points, with intervals that hold "
            f"together with {percent(confidence, 0)}",
            name="class",
            number_format="+.1f",
            details=tooltip(
                **{"class": ""}, value="+.1f", low="+.1f", high="+.1f", champion=".1%",
                this_run=".1%",
            ),
        )
    ]  # fmt: skip


def _changed(comparison: RunComparison) -> str:
    n = len(comparison.changes)
    title = changes_title(comparison.changes, "What changed since the champion")
    if not n:
        return title
    more = f", the first {_MAX_CHANGES}" if n > _MAX_CHANGES else ""
    return f"{title} ({n} {'change' if n == 1 else 'changes'}{more})"
