"""Findings of a run as sentences, each derived from its report, for the one-page summary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.formatting import p_value, percent, sentence, shorten
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.statistics import SIGNIFICANT
from fmnist_lib.evaluation.leaderboard import OVER_LIMITS, is_failed, winner_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from fmnist_lib.common.accuracy_check import AccuracyCheck
    from fmnist_lib.common.run_report import RunReport

#: Measured choices that hold for every run; docs/benchmarks.md has the figures.
CHOICES = {
    "Libraries": "Optuna prunes weak trials, TPOT evolves whole pipelines; both give plain "
    "scikit-learn pipelines. On Fashion-MNIST, ten minutes on two cores reached 95.1 %; AutoGluon "
    "on the same features 94.4 %, a small CNN 93.7 %.",
    "Features": "Image patches and oriented gradients, computed once for all candidates: they "
    "raise AutoGluon from 90.9 % on pixels to 94.4 %.",
}


@dataclass(frozen=True)
class Finding:
    """A statement, and what supports it.

    Attributes
    ----------
    title : str
        The statement, short enough for a heading.
    facts : tuple of (str, str)
        Name and sentence.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()


def result_finding(report: RunReport) -> Finding:
    """Return how many test images the winner classifies correctly, and the aim of the run."""
    evaluation = report.evaluation
    correct = round(evaluation.accuracy.value * evaluation.n_images)
    minutes = report.settings["search"]["minutes"]
    goal = (
        "the most accurate classifier of ten kinds of clothing that "
        f"{minutes:g} minute{'s'[: minutes != 1]} of search can find without a GPU."
    )
    title = f"Correct on {correct:,} of {evaluation.n_images:,} unseen images"
    return Finding(title, (("Goal", goal),))


def winner_finding(report: RunReport) -> Finding:
    """Return why the winner won: its lead over the runner-up, and whether it is a tie."""
    table = report.leaderboard
    winner = winner_of(table)
    finished = table[table["status"].isin(["ok", OVER_LIMITS])]
    facts = [("Against the baselines", text)] if (text := _baseline_lead(table, winner)) else []
    if finished.empty:
        searched = table[~table["engine"].isin(["ensemble", "baseline"])]
        failed = int(is_failed(searched).sum())
        reason = f"; {failed} failed" if failed else ""
        return Finding(f"Only one search finished{reason}", tuple(facts))
    rival = finished.iloc[0]
    title, why = _lead(winner, rival, len(report.labels["validation"]))
    singles = finished[finished["engine"] != "ensemble"]
    if rival["engine"] == "ensemble" and not singles.empty:
        other = singles.iloc[0]
        why += f" The next single candidate is {_points(winner, other)}{_chance(other)}."
    return Finding(title, (("Against the runner-up", why), *facts))


def _lead(winner: pd.Series, rival: pd.Series, n_images: int) -> tuple[str, str]:
    """Return the comparison with the runner-up as a title and a sentence."""
    paired = f"{_points(winner, rival)} on {n_images:,} validation images{_chance(rival)}"
    ahead = winner["validation_accuracy"] - rival["validation_accuracy"]
    if rival["status"] == OVER_LIMITS and ahead < 0:
        return (
            "The winner is the most accurate candidate within the limits of size and speed",
            f"The runner-up is over them, and {paired}.",
        )
    tied = not _known(rival["p_value"]) or rival["p_value"] >= SIGNIFICANT
    if rival["engine"] == "ensemble" and tied:
        return (
            "The winner is a single model: the ensemble is not significantly better",
            f"The ensemble is {paired}, and costs as much as all its members.",
        )
    if not _known(rival["p_value"]):
        return "The winner is the most accurate candidate", f"The runner-up is {paired}."
    if tied:
        return (
            "A tie: winner and runner-up differ by no more than chance",
            f"The runner-up is {paired}; the more accurate one on validation wins.",
        )
    return (
        "The winner is more accurate than the runner-up, by more than chance",
        f"The runner-up is {paired}.",
    )


def _points(winner: pd.Series, other: pd.Series) -> str:
    """Return the distance of a candidate from the winner in words."""
    behind = 100 * (winner["validation_accuracy"] - other["validation_accuracy"])
    if abs(behind) < 0.005:  # noqa: PLR2004 (rounds to 0.00)
        return "equally accurate"
    return f"{abs(behind):.2f} points {'less' if behind > 0 else 'more'} accurate"


def _chance(other: pd.Series) -> str:
    """Return the p-value of the comparison with the winner in parentheses, if there is one."""
    value = other["p_value"]
    return f" (McNemar's test: p {_equals(p_value(value))})" if _known(value) else ""


def _equals(value: str) -> str:
    return value if value.startswith("<") else f"= {value}"


def _known(value: Any) -> bool:
    return value is not None and not math.isnan(value)


def _baseline_lead(table: pd.DataFrame, winner: pd.Series) -> str:
    """Return the winner's lead over the most accurate baseline; empty if there is none."""
    baselines = table[table["status"] == "baseline"]
    if baselines.empty:
        return ""
    best = baselines.iloc[0]
    return f"The best one, {best['description']}, is {_points(winner, best)}."


def trust_finding(report: RunReport) -> Finding:
    """Return how far the test accuracy can be trusted."""
    evaluation = report.evaluation
    accuracy = evaluation.accuracy
    margin = 50 * (accuracy.high - accuracy.low)
    facts = [
        (
            "Chance",
            f"differences below ±{margin:.2f} points may be chance.",
        ),
        *_duplicates(report),
        ("Selection", _optimism(report)),
        (
            "Calibration",
            f"probabilities are off by {percent(evaluation.calibration_error)} on average (ECE).",
        ),
        *_weakest_class(report),
    ]
    leak = report.duplicates[-1].near / report.duplicates[-1].images if report.duplicates else None
    if leak is None:
        return Finding("Tested once, after selection", tuple(facts))
    title = f"Tested once; {percent(leak)} near-duplicates"
    return Finding(title, tuple(facts))


def _duplicates(report: RunReport) -> Sequence[tuple[str, str]]:
    """Return how many test images have a near-duplicate among the others, if that was counted.

    With the checks of the accuracy, if there are any.
    """
    if report.accuracy_checks:
        return [("Also", ", ".join(_check(one) for one in report.accuracy_checks) + ".")]
    if not report.duplicates:
        return ()
    leaks = report.duplicates[-1]
    bound = 100 * leaks.near / leaks.images
    text = f"{leaks.near:,} of the test images; they explain at most {bound:.2f} points."
    return (("Near-duplicates", text),)


def _check(check: AccuracyCheck) -> str:
    return f"{percent(check.accuracy.value, 2)} {check.name}"


def _optimism(report: RunReport) -> str:
    """Return the difference of validation and test accuracy of the winner."""
    table, test = report.leaderboard, report.evaluation.accuracy.value
    validation = winner_of(table)["validation_accuracy"]
    optimism = 100 * (validation - test)
    words = "too optimistic" if optimism >= 0 else "too pessimistic"
    return f"validation was {abs(optimism):.2f} points {words}."


def _weakest_class(report: RunReport) -> Sequence[tuple[str, str]]:
    """Return the class with the lowest recall, and what it is confused with."""
    table = report.evaluation.per_class.dropna(subset=["recall"])
    if table.empty:
        return ()
    worst = table.loc[table["recall"].idxmin()]
    text = f"{worst['class']}, recall {percent(worst['recall'])}"
    pairs = report.evaluation.confused_pairs
    found = next((pair for pair in pairs if CLASS_NAMES[pair.actual] == worst["class"]), None)
    if found:
        text += f"; {percent(found.share)} predicted as {CLASS_NAMES[found.predicted]}"
    return (("Weakest class", f"{text}."),)


def drift_finding(report: RunReport) -> Finding:
    """Return the drift verdict, and how many simulated shifts the test detects."""
    verdict = ("This run", sentence(report.drift_verdict))
    shifts = [rate for rate in report.detection if rate.is_shift]
    if not shifts:
        return Finding("Ready for drift: new batches are compared with this run", (verdict,))
    detected = sum(rate.is_reliable for rate in shifts)
    title = f"Drift: {detected} of {len(shifts)} simulated shifts are detected"
    return Finding(title, (verdict,))


def error_finding(report: RunReport) -> Finding | None:
    """Return the most frequent error on the test images; None if there was no error."""
    pairs = report.evaluation.confused_pairs
    if not pairs:
        return None
    actual, predicted = CLASS_NAMES[pairs[0].actual], CLASS_NAMES[pairs[0].predicted]
    return Finding(f"Most frequent error: {actual} as {predicted}")


def contribution_finding(report: RunReport) -> Finding | None:
    """Return the most important part; None if contributions were not measured."""
    blocks, members = contributions(report)
    if not blocks and not members:
        return None
    top = blocks[0] if blocks else members[0]
    if top.loss.low <= 0:
        return Finding("No part is significantly needed alone")
    kind = "Most important features" if blocks else "Most important in the ensemble"
    return Finding(f"{kind}: {shorten(readable(top.name), 24)}")


def readable(block: str) -> str:
    """Return the name of a feature block as in the description of a pipeline.

    Examples
    --------
    >>> readable("patches_3+5+7")
    'patches 3+5+7'
    """
    return block.replace("_", " ")


def contributions(report: RunReport) -> tuple[list[Any], list[Any]]:
    """Return feature blocks and ensemble members, each by the accuracy lost without them.

    The only block, or the only member, contributes all and is left out.
    """
    found = report.contributions
    if found is None:
        return [], []
    blocks, members = (
        sorted(parts, key=lambda part: -part.loss.value) if len(parts) > 1 else []
        for parts in (found.blocks, found.members)
    )
    return blocks, members
