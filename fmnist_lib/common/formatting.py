"""Numbers and lists as text, the same in messages, cards and documents."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.statistics import SMALLEST_P_VALUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fmnist_lib.common.statistics import Estimate

_MAX_ITEMS, _MAX_LETTERS = 5, 40
#: Control characters, and those that change the direction of the text after them.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def percent(share: float, digits: int = 1) -> str:
    """Format a share in [0, 1] as a percentage.

    Examples
    --------
    >>> percent(0.9529, 2)
    '95.29 %'
    """
    return f"{100 * share:.{digits}f} %"


def p_value(value: float) -> str:
    """Format a p-value to four decimals.

    Examples
    --------
    >>> p_value(0.25), p_value(1e-9), p_value(math.nan)
    ('0.2500', '< 0.0001', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    return f"{value:.4f}" if value >= SMALLEST_P_VALUE else f"< {SMALLEST_P_VALUE:g}"


def distinct(value: float, bound: float, digits: int, kind: str = "f") -> str:
    """Format a number with so many digits, or more where rounding would move it across a bound.

    Examples
    --------
    >>> distinct(0.91496, 0.915, 3), distinct(0.9312, 0.915, 3), distinct(0.0300004, 0.03, 4, "g")
    ('0.91496', '0.931', '0.0300004')
    """
    texts = (f"{value:.{places}{kind}}" for places in range(digits, 17))
    side = (value > bound) - (value < bound)
    return next(
        (text for text in texts if (float(text) > bound) - (float(text) < bound) == side),
        str(value),
    )


def interval(estimate: Estimate, digits: int = 2) -> str:
    """Format the interval of a share in [0, 1].

    Examples
    --------
    >>> from fmnist_lib.common.statistics import wilson
    >>> interval(wilson(9_529, 10_000))
    '95 % interval 94.86 % to 95.69 %'
    """
    return f"{percent(estimate.confidence, 0)} interval {ends(estimate, digits)}"


def ends(estimate: Estimate, digits: int = 2) -> str:
    """Format the ends of the interval of a share in [0, 1]."""
    return f"{percent(estimate.low, digits)} to {percent(estimate.high, digits)}"


def reason_of(error: BaseException, most: int | None = 200) -> str:
    r"""Return the first line of an error's text without its full stop, or the error's type.

    Parameters
    ----------
    error : BaseException
    most : int or None, default=200
        Characters that are kept; None: all, where a secret in them is masked afterwards.

    Examples
    --------
    >>> reason_of(ValueError("no such column.\nSee the manual.")), reason_of(KeyError())
    ('no such column', 'KeyError')
    """
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return line[:most] or type(error).__name__


def capitalised(words: str) -> str:
    """Return words that begin with a capital letter; the others stay as they are."""
    return words[:1].upper() + words[1:]


def sentence(words: str) -> str:
    """Return words with a capital letter and one full stop.

    Examples
    --------
    >>> sentence("no drift found: none of 33 columns differs")
    'No drift found: none of 33 columns differs.'
    """
    return f"{capitalised(words.rstrip('.'))}."


def short_list(items: Iterable[Any]) -> str:
    """List at most five items, each cut to 40 characters, for messages.

    Examples
    --------
    >>> short_list(range(784))
    '0, 1, 2, 3, 4 and 779 more'
    """
    names = [str(item) for item in items]
    shown = ", ".join(
        name if len(name) <= _MAX_LETTERS else f"{name[: _MAX_LETTERS - 3]}..."
        for name in names[:_MAX_ITEMS]
    )
    return f"{shown} and {len(names) - _MAX_ITEMS} more" if len(names) > _MAX_ITEMS else shown


def shorten_middle(words: str, length: int) -> str:
    """Return words with the middle of a long text replaced by an ellipsis, as for file names.

    Examples
    --------
    >>> shorten_middle("20240131T235959-camera-0017.png", 18), shorten_middle("17.png", 18)
    ('20240131…-0017.png', '17.png')
    """
    printable = "".join(char if char.isprintable() else "?" for char in words)
    if len(printable) <= length:
        return printable
    kept = length - 1
    return f"{printable[: kept // 2]}…{printable[-(kept - kept // 2) :]}"


def shorten(words: str, length: int) -> str:
    r"""Return words on one line, without invisible characters, cut to a length with an ellipsis.

    Examples
    --------
    >>> shorten("a long\u202e name", 8)
    'a long…'
    """
    line = " ".join(_INVISIBLE.sub("", words).split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"
