"""The card of the step `publish`.

It answers without scrolling: how accurate the model is, whether it became champion, and what it
costs to use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import intervals, tooltip
from cards.parts.components import box, details, header, table
from cards.parts.escape import code, text
from cards.sections.against_champion import accuracy_change, champion_section
from cards.sections.gates import gates_section
from cards.sections.prediction_sets import prediction_sets
from fmnist_lib.common.formatting import percent
from fmnist_lib.release.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.accuracy_check import AccuracyCheck
    from fmnist_lib.common.run_report import RunReport
    from fmnist_lib.evaluation.run_comparison import RunComparison


def summary_card(
    report: RunReport, comparison: RunComparison | None = None
) -> list[MetaflowCardComponent]:
    """Build the card.

    Parameters
    ----------
    report : RunReport
    comparison : RunComparison or None
        Of the champion before this run with this run.
    """
    summary, tracked = Summary(report), report.publication.tracked
    winner = summary.winner
    return [
        *header(
            f"Test accuracy {summary.headline}: {_outcome(report)}",
            report.data_version,
            f"**{text(winner['candidate'])}**: {text(winner['description'])}. The test images were "
            "used once, after the winner was selected.",
            _boxes(report, summary, comparison),
        ),
        *_tracking_warning(report.publication.problem),
        *gates_section(tracked.decision if tracked else None),
        *champion_section(comparison),
        *_checks(report),
        *(prediction_sets(report.prediction_sets) if report.prediction_sets else []),
        Markdown(
            f"## {text(winner['candidate'])} was selected from {len(summary.rows)} candidates"
        ),
        Markdown("Accuracy on the validation images, which no search used."),
        table(_HEADERS, ([row[key] for key in _COLUMNS] for row in summary.rows)),
        Markdown(f"## Drift\n\n{text(summary.drift_sentence)}"),
        Markdown("## Next steps"),
        Markdown("\n".join(f"- {text(why)}: {code(what)}" for what, why in summary.commands)),
        details(
            "Most frequent errors of the winner",
            ["class", "predicted as", "share of the class"],
            summary.mistakes or [("none", "none", "0 %")],
        ),
        details("Identifiers and locations", ["what", "value"], summary.identity),
    ]


_COLUMNS = ("candidate", "status", "accuracy", "interval", "description")
_HEADERS = ["candidate", "status", "validation accuracy", "interval", "pipeline"]


def _outcome(report: RunReport) -> str:
    """Return in a few words whether the winner is the champion now."""
    tracked = report.publication.tracked
    if tracked is None:
        return "not registered"
    if tracked.decision is None:
        return f"registered as version {tracked.model_version}"
    version = f"version {tracked.model_version}"
    if tracked.decision.promoted and tracked.alias == "champion":
        return f"{version} is the champion now"
    if tracked.decision.promoted:
        return f"{version} became champion, and has been replaced since"
    return f"{version} did not become champion"


def _boxes(report: RunReport, summary: Summary, comparison: RunComparison | None) -> Iterator[Any]:
    evaluation, winner = report.evaluation, summary.winner
    change, good = accuracy_change(comparison)
    yield box(
        "Test accuracy",
        summary.headline,
        f"{summary.interval}, {summary.n_images}",
        change,
        good=good,
    )
    tracked = report.publication.tracked
    decision = tracked.decision if tracked else None
    if decision:
        passed = sum(gate.passed for gate in decision.gates)
        yield box(
            "Gates",
            f"{passed} of {len(decision.gates)}",
            "requirements for promotion passed",
            "promoted" if decision.promoted else "not promoted",
            good=decision.promoted,
        )
    yield box(
        "Log loss",
        f"{evaluation.log_loss:.3f}",
        f"expected calibration error {percent(evaluation.calibration_error)}",
    )
    yield box("Prediction", f"{report.ms_per_image:.2g} ms", "per image, on one core")
    yield box("Model", winner["size"], f"pickled, fitted on the training images in {winner['fit']}")


def _checks(report: RunReport) -> list[MetaflowCardComponent]:
    """Build the section on the accuracy without doubtful images, and on other test sets."""
    if not report.accuracy_checks:
        return []
    accuracy = report.evaluation.accuracy
    everything = f"all {report.evaluation.n_images:,} test images"
    parts = [
        (everything, accuracy, "as published"),
        *((one.name, one.accuracy, _meaning(one)) for one in report.accuracy_checks),
    ]
    rows = [
        {"images": name, "value": one.value, "low": one.low, "high": one.high, "meaning": meaning}
        for name, one, meaning in parts
    ]
    values = [one.accuracy.value for one in report.accuracy_checks]
    numbers = "; ".join(f"{name} {percent(one.value, 2)}" for name, one, _ in parts)
    return [
        Markdown(
            "## Without doubtful test images, and on other test sets: "
            f"{percent(min(values), 2)} to {percent(max(values), 2)}"
        ),
        intervals(
            f"Accuracy of the winner: {numbers}.",
            rows,
            f"accuracy, with {percent(accuracy.confidence, 0)} interval",
            name="images",
            details=tooltip(images="", value=".2%", low=".2%", high=".2%", meaning=""),
            number_format=".1%",
        ),
        details(
            "What each of them measures",
            ["images", "meaning"],
            [(name, meaning) for name, _, meaning in parts],
        ),
    ]


def _meaning(check: AccuracyCheck) -> str:
    left_out = f" ({check.n_left_out:,} left out)" if check.n_left_out else ""
    return f"{check.meaning}{left_out}"


def _tracking_warning(problem: str | None) -> list[MetaflowCardComponent]:
    """Warn if the run is not in MLflow."""
    return [Markdown(f"> **Not in MLflow.** {text(problem)}")] if problem else []
