"""Card of the step `stress`.

It answers without scrolling: on which images the winner fails most, which change of the images
breaks it first, and whether it behaves as expected when an image changes slightly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import lines_with_intervals, quantity, tooltip
from cards.parts.components import box, details, header, table
from cards.parts.escape import text
from cards.sections.slices import slices_section, slices_table
from fmnist_lib.common.formatting import capitalised, ends, interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.drift.strengths import Robustness, ShiftCurve
    from fmnist_lib.evaluation.behaviour import Behaviour
    from fmnist_lib.workflows.stress import StressReport

#: Shifts with a line of their own on the chart: the palette has so many colours.
_DRAWN_SHIFTS = 7


def stress_card(report: StressReport, version: DataVersion) -> list[MetaflowCardComponent]:
    """Card of a stress report: slices, simulated shifts and behaviour tests."""
    slices, robustness = report.slices, report.robustness
    return [
        *header(
            _answer(report),
            version,
            f"Slices: {slices.n_images:,} test images, with the predictions of the evaluation. "
            "Shifts and behaviour tests: validation images, on which these pipelines were neither "
            f"fitted nor calibrated.{_notes(report)}",
            _boxes(report),
        ),
        *slices_section(slices),
        *_shifts(robustness),
        *_comparison(robustness),
        *_behaviours(report.behaviours),
        slices_table(slices),
        _shift_table(robustness),
        Markdown(f"Time: {report.seconds:.0f} s."),
    ]


def _answer(report: StressReport) -> str:
    worst, harmful = report.slices.worst, _harmful(report.robustness)
    if not report.slices.n_errors:
        slices = "No test image is misclassified"
    elif worst is None:
        slices = "No slice is significantly worse than the rest"
    else:
        slices = f"Worst slice: {worst.name}, {percent(worst.accuracy.value)} correct"
    shift = (
        f"most harmful shift: {_words(harmful)}"
        if harmful
        else "no simulated shift lowers the accuracy significantly"
    )
    return f"{slices}; {shift}"


def _harmful(robustness: Robustness) -> ShiftCurve | None:
    """Return the shift with the largest significant loss; None if there is none."""
    return next(
        (curve for curve in robustness.curves if curve.breaks_at or curve.lost.low > 0), None
    )


def _notes(report: StressReport) -> str:
    notes = []
    if report.slices.missing_classes:
        notes.append(f"No test image of {', '.join(report.slices.missing_classes)}.")
    if report.second is None:
        notes.append("No second-best candidate: no other single candidate finished.")
    return "".join(f" {note}" for note in notes)


def _words(curve: ShiftCurve) -> str:
    return curve.name.replace("_", " ")


def _boxes(report: StressReport) -> Iterator[Any]:
    slices, robustness = report.slices, report.robustness
    worst = slices.worst
    yield box(
        "Worst slice",
        percent(worst.accuracy.value) if worst else "none",
        f"{worst.name}: {interval(worst.accuracy)}, simultaneous for all slices"
        if worst
        else "no slice is significantly worse than the other images",
        f"all test images: {percent(slices.accuracy.value)}",
    )
    worse = sum(one.is_worse for one in slices.slices)
    yield box(
        "Significantly worse slices",
        f"{worse} of {len(slices.slices)}",
        "less accurate than the other images, p < 0.05 after Holm's correction",
    )
    curve = _harmful(robustness) or robustness.curves[0]
    yield box(
        "Most harmful shift",
        _words(curve),
        f"costs {_points(curve.lost)} on average over five strengths, {_ends(curve.lost)}",
        f"significant from: {curve.breaks_at.description}" if curve.breaks_at else "",
    )
    if robustness.difference:
        winner, second = robustness.models
        yield box(
            "Against the second best",
            f"{100 * robustness.difference.value:+.1f} points",
            f"accuracy of {winner} minus {second}, averaged over shifts and strengths",
            _ends(robustness.difference),
        )
    failed = [one for one in report.behaviours if one.failed]
    run = [one for one in report.behaviours if one.rate]
    yield box(
        "Behaviour tests passed",
        f"{len(run) - len(failed)} of {len(run)}",
        f"below the required pass rate: {', '.join(one.name for one in failed)}"
        if failed
        else "every pass rate is as required",
        good=not failed,
    )


def _points(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} points"


def _ends(estimate: Estimate) -> str:
    ends = f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
    return f"{percent(estimate.confidence, 0)} interval {ends}"


def _shifts(robustness: Robustness) -> list[MetaflowCardComponent]:
    curves = robustness.curves[:_DRAWN_SHIFTS]
    rows = [
        {
            "shift": _words(curve),
            "strength": point.level,
            "change": point.description,
            "accuracy": point.accuracy[0].value,
            "low": point.accuracy[0].low,
            "high": point.accuracy[0].high,
        }
        for curve in curves
        for point in curve.points
    ]
    harmful = _harmful(robustness)
    finding = (
        f"{capitalised(_words(harmful))} is the most harmful shift: {robustness.models[0]} loses "
        f"{_points(harmful.lost)}"
        if harmful
        else f"No simulated shift lowers the accuracy of {robustness.models[0]} significantly"
    )
    numbers = "; ".join(
        f"{_words(curve)} {percent(curve.points[-1].accuracy[0].value)}" for curve in curves
    )
    return [
        Markdown(f"## {text(finding)}"),
        Markdown(
            f"{robustness.n_images:,} validation images under every shift at five strengths; "
            "strength 0 is the unshifted image. Strengths of different shifts are not directly "
            "comparable; the table below lists the change at each strength."
        ),
        lines_with_intervals(
            f"Accuracy at the strongest shift: {numbers}.",
            rows,
            quantity("strength", "strength of the shift"),
            "accuracy on validation images",
            colour="shift",
            details=tooltip(shift="", change="", accuracy=".1%", low=".1%", high=".1%"),
        ),
    ]


def _comparison(robustness: Robustness) -> list[MetaflowCardComponent]:
    difference = robustness.difference
    if difference is None:
        return []
    winner, second = robustness.models
    if difference.low > 0:
        finding = f"{winner} is more accurate than {second} under shifts"
    elif difference.high < 0:
        finding = f"{second} is more accurate than {winner} under shifts"
    else:
        finding = f"No significant difference between {winner} and {second} under shifts"
    rows = [
        {
            "model": model,
            "strength": point.level,
            "accuracy": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
        }
        for point in robustness.average
        for model, estimate in zip(robustness.models, point.accuracy, strict=True)
    ]
    numbers = "; ".join(
        f"{point.description} {percent(point.accuracy[0].value)} and "
        f"{percent(point.accuracy[1].value)}"
        for point in robustness.average
    )
    return [
        Markdown(f"## {text(finding)}"),
        Markdown(
            "Average over the shifts, by strength; both models predict the same images. Over all "
            f"strengths the difference is {_points(difference)}, {_ends(difference)}."
        ),
        lines_with_intervals(
            f"Average accuracy of {winner} and {second}: {numbers}.",
            rows,
            quantity("strength", "strength of the shifts"),
            "accuracy on validation images, with interval",
            colour="model",
            details=tooltip(model="", strength="d", accuracy=".1%", low=".1%", high=".1%"),
            show_intervals=True,
        ),
    ]


def _behaviours(behaviours: Sequence[Behaviour]) -> list[MetaflowCardComponent]:
    failed = [one.name for one in behaviours if one.failed]
    finding = (
        f"Pass rates below the requirement: {', '.join(failed)}"
        if failed
        else "Every behaviour test passes as often as required"
    )
    return [
        Markdown(f"## {text(finding)}"),
        table(
            ["behaviour test", "kind", "expected", "images", "pass rate", "interval", "required"],
            [
                (
                    one.name,
                    one.kind,
                    one.expectation,
                    f"{one.n_images:,}",
                    percent(one.rate.value) if one.rate else "no images",
                    ends(one.rate, 1) if one.rate else "",
                    percent(one.required, 0),
                )
                for one in behaviours
            ],
        ),
    ]


def _shift_table(robustness: Robustness) -> MetaflowCardComponent:
    return details(
        "Every shift and strength",
        ["shift", "change", *(f"{model}, %" for model in robustness.models), "difference, points"],
        [
            (
                _words(curve),
                point.description,
                *(
                    f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"
                    for one in point.accuracy
                ),
                f"{100 * point.difference.value:.1f} points, {_ends(point.difference)}"
                if point.difference
                else "",
            )
            for curve in robustness.curves
            for point in curve.points
        ],
    )
