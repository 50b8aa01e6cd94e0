"""The difference of two runs in words, for the page of a comparison and for the summary card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.evaluation.run_comparison import Change, RunComparison

_ALPHA = 0.05
_HASH = re.compile(r"[0-9a-f]{40,}.*")
_HASH_CHARACTERS, _VALUE_CHARACTERS = 12, 60


def comparison_title(comparison: RunComparison) -> str:
    """Return the result of a comparison in one sentence."""
    points = f"{abs(100 * comparison.difference.value):.2f} points"
    if comparison.same_predictions:
        return "Identical predictions, despite changes" if comparison.changes else "Nothing changed"
    if comparison.paired is None:
        chance = "No significant" if is_better(comparison.difference) is None else "Significant"
        difference = f"{100 * comparison.difference.value:+.2f} points, on different test images"
        return f"{chance} difference: {difference}"
    direction = "more" if comparison.difference.value > 0 else "less"
    if comparison.paired.p_value >= _ALPHA:
        return f"No significant difference: {100 * comparison.difference.value:+.2f} points"
    return f"Significantly {direction} accurate, by {points}"


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
