"""Natural sort order of names: numbers within names are compared as numbers."""

from __future__ import annotations

import re

# int() rejects longer digit strings (4,300 by default); splitting them avoids the error.
_DIGITS = re.compile(r"(\d{1,1000})")


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sort key that puts ``9`` before ``10``, and ``a2`` before ``A10``.

    A sign is not part of a number: ``run-2`` comes before ``run-10``. Names that differ only in
    leading zeros or in case are ordered as text.

    Examples
    --------
    >>> sorted(["10", "9", "b1", "010", "B02"], key=natural_key)
    ['9', '010', '10', 'b1', 'B02']
    """
    # Every second part is a number.
    parts = _DIGITS.split(name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name
