"""The difference of two runs in words, for the page of a comparison and for the summary card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fmnist_lib.common.statistics import SIGNIFICANT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.evaluation.run_comparison import Change, RunComparison

_HASH = re.compile(r"[0-9a-f]{40,}.*")
_HASH_CHARACTERS, _VALUE_CHARACTERS = 12, 60


def comparison_title(comparison: RunComparison) -> str:
    """Return the result of a comparison in one sentence."""
    if comparison.same_predictions:
        return "Identical predictions, despite changes" if comparison.changes else "Nothing changed"
    better, points = is_more_accurate(comparison), 100 * comparison.difference.value
    images = ", on different test images" if comparison.paired is None else ""
    if better is None:
        return f"No significant difference: {points:+.2f} points{images}"
    direction = "more" if better else "less"
    return f"Significantly {direction} accurate, by {abs(points):.2f} points{images}"


def is_more_accurate(comparison: RunComparison) -> bool | None:
    """Return whether the later run is significantly more accurate; None if neither is.

    By McNemar's test on the same test images, by the interval on different ones.
    """
    if comparison.paired is None:
        return is_better(comparison.difference)
    if comparison.paired.p_value >= SIGNIFICANT:
        return None
    return comparison.difference.value > 0


def changes_title(changes: Sequence[Change], what: str = "What changed") -> str:
    """Return the areas in which something changed, in words."""
    areas = ", ".join(dict.fromkeys(change.area for change in changes))
    return f"{what}: {areas}" if changes else "No setting, data or code changed"


def is_better(difference: Estimate) -> bool | None:
    """Return whether a difference is an improvement; None if its interval holds zero."""
    return True if difference.low > 0 else False if difference.high < 0 else None


def change_row(change: Change) -> list[str]:
    """Return a change as a row of a table, long values by their beginning."""
    return [change.area, change.name, _short(change.before), _short(change.after)]


def _short(value: str) -> str:
    """Return a value on one line; checksums and long lists by their beginning."""
    limit = _HASH_CHARACTERS if _HASH.fullmatch(value) else _VALUE_CHARACTERS
    return f"{value[:limit]}..." if len(value) > limit else value or "none"
