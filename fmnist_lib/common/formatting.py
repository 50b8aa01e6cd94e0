"""Numbers as text, the same in cards and documents."""

from __future__ import annotations

from fmnist_lib.common.statistics import SMALLEST_P_VALUE


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
    >>> p_value(0.25), p_value(1e-9)
    ('0.2500', '< 0.0001')
    """
    return f"{value:.4f}" if value >= SMALLEST_P_VALUE else f"< {SMALLEST_P_VALUE:g}"
