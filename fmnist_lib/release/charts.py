"""Positions of the bars and points in the charts of the one-page summary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.formatting import p_value, percent
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.evaluation.leaderboard import is_failed
from fmnist_lib.release.findings import contributions, readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fmnist_lib.common.run_report import RunReport

#: Rows that fit on the page; the other candidates are in ``leaderboard.csv`` and on the cards.
MAX_CANDIDATES, MAX_PARTS, MAX_SHIFTS = 7, 5, 7
#: Members of the ensemble among the parts, if there are many feature blocks.
MAX_MEMBERS = 2
#: Candidates up to this accuracy are left of the axis, so that the others can be told apart.
_LEAST = 0.5


class Axis:
    """A horizontal axis from 0 to 100 % of the chart's width."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def place(self, value: float) -> float:
        """Return the position of a value in percent; values outside are at an end."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(100 * min(max(share, 0.0), 1.0), 1)

    def whisker(self, low: float, high: float) -> dict[str, float]:
        """Return start and width of an interval in percent."""
        start, end = self.place(low), self.place(high)
        return {"start": start, "width": round(end - start, 1)}


def signed(difference: float) -> str:
    """Return a difference of two shares in points, with its sign."""
    return f"{100 * difference:+.2f}".replace("-", "\N{MINUS SIGN}")


def candidate_chart(report: RunReport) -> dict[str, Any]:
    """Return the rows of the leaderboard with positions on an axis of validation accuracy.

    Returns
    -------
    dict
        ``low`` and ``high`` (labels of the axis), ``rows`` (see `_candidate`) and ``left_out``,
        the number of candidates that do not fit.
    """
    board = report.leaderboard
    finished = set(board.loc[~is_failed(board), "candidate"])
    rows = board.to_dict("records")
    shown = rows[:MAX_CANDIDATES]
    if not any(row["status"] == "winner" for row in shown):
        shown[-1] = next(row for row in rows if row["status"] == "winner")
    ends = [
        (row["accuracy_low"], row["accuracy_high"])
        for row in shown
        if row["candidate"] in finished and row["validation_accuracy"] > _LEAST
    ]
    low = math.floor(100 * min((end[0] for end in ends), default=0.0)) / 100
    high = math.ceil(100 * max((end[1] for end in ends), default=1.0)) / 100
    axis = Axis(low, high)
    winner = next(row for row in rows if row["status"] == "winner")["validation_accuracy"]
    return {
        "low": percent(low, 0),
        "high": percent(high, 0),
        "rows": [_candidate(row, axis, winner) for row in shown],
        "left_out": len(rows) - len(shown),
    }


def _candidate(row: Mapping[str, Any], axis: Axis, winner: float) -> dict[str, Any]:
    """Return a candidate as texts and positions; a failed one has only name, status and reason."""
    status, _, reason = str(row["status"]).partition(": ")
    texts = {"name": str(row["candidate"]), "status": status}
    if status == "failed":
        return texts | {"reason": reason}
    p = row["p_value"]
    return texts | {
        "accuracy": percent(row["validation_accuracy"], 2),
        "difference": "" if status == "winner" else signed(row["validation_accuracy"] - winner),
        "p": "" if p is None or math.isnan(p) else p_value(p),
        "ms": f"{row['predict_ms_per_image']:.2f}",
        "mb": f"{row['model_mb']:.1f}",
        "point": axis.place(row["validation_accuracy"]),
        **axis.whisker(row["accuracy_low"], row["accuracy_high"]),
    }


def contribution_chart(report: RunReport) -> list[dict[str, Any]]:
    """Return blocks and members of the ensemble with bars of the accuracy lost without them."""
    blocks, members = contributions(report)
    n_members = min(len(members), max(MAX_MEMBERS, MAX_PARTS - len(blocks)))
    named = [(readable(part.name), part.loss) for part in blocks[: MAX_PARTS - n_members]]
    named += [(f"{part.name} (ensemble)", part.loss) for part in members[:n_members]]
    axis = Axis(0.0, max((loss.high for _, loss in named), default=0.0))
    return [
        {
            "name": name,
            "loss": signed(-loss.value),
            "bar": axis.place(loss.value),
            **axis.whisker(loss.low, loss.high),
        }
        for name, loss in named
    ]


def error_chart(report: RunReport) -> list[dict[str, Any]]:
    """Return the most frequent errors with bars of their share of the actual class."""
    pairs = report.evaluation.confused_pairs[:MAX_PARTS]
    axis = Axis(0.0, max((pair.share for pair in pairs), default=0.0))
    return [
        {
            "name": f"{CLASS_NAMES[pair.actual]} as {CLASS_NAMES[pair.predicted]}",
            "share": percent(pair.share),
            "bar": axis.place(pair.share),
        }
        for pair in pairs
    ]


def detection_chart(report: RunReport) -> list[dict[str, Any]]:
    """Return the false-alarm rate, and the simulated shifts that are detected least often."""
    calm = [rate for rate in report.detection if not rate.is_shift]
    shifts = sorted(
        (rate for rate in report.detection if rate.is_shift), key=lambda rate: rate.rate.value
    )
    return [
        {
            "name": rate.description if rate.is_shift else "no shift (false alarms)",
            "is_shift": rate.is_shift,
            "share": percent(rate.rate.value, 0),
            "bar": round(100 * rate.rate.value, 1),
        }
        for rate in [*calm, *shifts[: MAX_SHIFTS - len(calm)]]
    ]
