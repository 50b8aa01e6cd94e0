"""Section on the trials of all searches, by time since the start of each search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import points, quantity, tooltip
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.candidate_result import CandidateResult

#: Trials as bad as a majority-class classifier would compress the axis of the others.
DRAWN_ABOVE = 0.5


def trials_section(
    results: Sequence[CandidateResult], winner: pd.Series[Any]
) -> list[MetaflowCardComponent]:
    """Build the section; empty without trials.

    Parameters
    ----------
    results : sequence of CandidateResult
    winner : Series
        Its row of the leaderboard.
    """
    trials = [
        {
            "candidate": result.id,
            "seconds": row["seconds"],
            "accuracy": row["value"],
            "trial": row["number"],
        }
        for result in results
        if result.trials is not None and not result.failed
        for row in result.trials.dropna(subset=["value"]).to_dict("records")
    ]
    if not trials:
        return []
    name = winner["candidate"]
    number = next(one.best_trial for one in results if one.id == name)
    best = next((p for p in trials if (p["candidate"], p["trial"]) == (name, number)), None)
    found = (
        f"The winner's pipeline was trial {best['trial']}, after {best['seconds']:.0f} s of search"
        if best
        else "What the searches found, by time"
    )
    drawn = [point for point in trials if point["accuracy"] > DRAWN_ABOVE] or trials
    return [
        Markdown(f"## {found}"),
        Markdown(
            "Accuracy of every trial on held-out training images. The best one is optimistic, "
            f"as it was selected among many.{_omitted(len(trials) - len(drawn))}"
        ),
        points(
            f"{found}. {len(trials)} trials of "
            f"{', '.join(dict.fromkeys(one['candidate'] for one in trials))}.",
            drawn,
            quantity("seconds", "seconds since the start of the search"),
            quantity("accuracy", "accuracy", ".0%"),
            colour="candidate",
            details=tooltip(candidate="", trial="", accuracy=".2%", seconds=".0f"),
        ),
    ]


def n_trials(n: int) -> str:
    """Return a number of trials in words."""
    return "1 trial" if n == 1 else f"{n} trials"


def _omitted(n: int) -> str:
    if not n:
        return ""
    return f" Not drawn: {n_trials(n)} with an accuracy of {percent(DRAWN_ABOVE, 0)} or less."
