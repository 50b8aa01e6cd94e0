"""Section on prediction sets: their coverage and size, and what abstention gains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import intervals, line_with_intervals, quantity, tooltip
from cards.parts.components import details
from cards.parts.escape import text
from fmnist_lib.common.formatting import ends, interval, percent, short_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.prediction_sets import Answered, ClassSets, LevelSets, PredictionSets
    from fmnist_lib.common.statistics import Estimate

#: Level that the headings and the chart are about, and share of accepted predictions.
_LEVEL, _SHARE = 0.95, 0.9


def prediction_sets(result: PredictionSets) -> list[MetaflowCardComponent]:
    """Build the section; the headings name the coverage, and what abstention gains."""
    main = min(result.levels, key=lambda one: abs(one.level - _LEVEL))
    return [
        *_coverage(result, main),
        *_abstention(result.abstention),
        *_details(result, main),
    ]


def _coverage(result: PredictionSets, main: LevelSets) -> list[MetaflowCardComponent]:
    measured = [one for one in main.classes if one.coverage is not None]
    numbers = "; ".join(f"{one.name} {percent(_value(one))}" for one in measured)
    level, confidence = _level(main), main.coverage.confidence
    return [
        Markdown(
            f"## Prediction sets at {level}: {percent(main.coverage.value, 2)} contain the "
            f"true class, with {main.mean_size:.2f} classes on average"
        ),
        Markdown(
            f"A set has every class whose probability reaches the class's threshold, from "
            f"{result.n_calibration:,} out-of-fold predictions of training images. Coverage on "
            f"{result.n_images:,} test images: {interval(main.coverage)}. "
            f"{percent(main.single.value)} of the sets have one class, "
            f"{percent(main.sizes[0] / result.n_images)} are empty: no class is probable enough. "
            + text(_misses(measured, main.level) + _out_of_reach(main))
        ),
        intervals(
            f"Coverage of the sets at {level} by class: {numbers}.",
            [_drawn(one, main.level) for one in measured],
            f"coverage on the test images, with {percent(confidence, 0)} interval; line: {level}",
            name="class",
            number_format=".0%",
            target=main.level,
            details=tooltip(
                **{"class": ""}, images="", value=".1%", low=".1%", high=".1%", mean_size=".2f"
            ),
        ),
    ]


def _drawn(one: ClassSets, level: float) -> dict[str, Any]:
    assert one.coverage is not None  # noqa: S101 (only such are drawn)
    return {
        "class": one.name,
        "images": one.n_images,
        "value": one.coverage.value,
        "low": one.coverage.low,
        "high": one.coverage.high,
        "mean_size": one.mean_size,
        "colour": "alert" if one.coverage.high < level else "primary",
    }


def _misses(measured: Sequence[ClassSets], level: float) -> str:
    below = [one.name for one in measured if one.coverage and one.coverage.high < level]
    if not below:
        return "The interval of no class is below the level."
    return f"Classes whose whole interval is below the level: {short_list(below)}."


def _out_of_reach(main: LevelSets) -> str:
    if not main.out_of_reach:
        return ""
    return (
        f" Classes with too few calibration images for this level, therefore in every set: "
        f"{short_list(main.out_of_reach)}."
    )


def _abstention(curve: Sequence[Answered]) -> list[MetaflowCardComponent]:
    if len(curve) < 2:  # noqa: PLR2004 (one point shows no gain)
        return []
    every = curve[-1]
    some = min(curve[:-1], key=lambda one: abs(one.share - _SHARE))
    values = [
        {
            "share": one.share,
            "accuracy": one.accuracy.value,
            "low": one.accuracy.low,
            "high": one.accuracy.high,
            "images": one.n_images,
            "lowest_probability": one.lowest,
        }
        for one in curve
    ]
    numbers = "; ".join(f"{percent(one.share, 0)} {_accuracy(one.accuracy)}" for one in curve)
    return [
        Markdown(
            f"## Accuracy of the {percent(some.share, 0)} most confident predictions: "
            f"{percent(some.accuracy.value, 2)} instead of {percent(every.accuracy.value, 2)}"
        ),
        Markdown(
            "Predictions of a lower probability are rejected, for example to be labelled by a "
            "person."
        ),
        line_with_intervals(
            f"Accuracy by share of accepted predictions: {numbers}.",
            values,
            quantity("share", "share of the test images, the most probable first", ".0%"),
            f"accuracy, with {percent(every.accuracy.confidence, 0)} interval",
            details=tooltip(
                share=".0%", accuracy=".2%", low=".2%", high=".2%", images="",
                lowest_probability=".3f",
            ),
        ),
    ]  # fmt: skip


def _details(result: PredictionSets, main: LevelSets) -> list[MetaflowCardComponent]:
    """Build the folded tables with every number."""
    return [
        details(
            "Prediction sets by level",
            ["level", "coverage", "interval", "mean size", "sets of one class", "empty sets",
             "accuracy of sets of one class", "classes in every set"],
            (_level_row(one, result.n_images) for one in result.levels),
        ),
        details(
            f"Prediction sets at {_level(main)} by class",
            ["class", "images", "calibration images", "threshold", "coverage", "interval",
             "mean size"],
            (_class_row(one) for one in main.classes),
        ),
        details(
            "Accuracy by share of accepted predictions",
            ["accepted", "images", "lowest probability", "accuracy", "interval"],
            (_answered_row(one) for one in result.abstention),
        ),
    ]  # fmt: skip


def _level_row(one: LevelSets, n_images: int) -> list[str]:
    return [
        _level(one),
        percent(one.coverage.value, 2),
        ends(one.coverage),
        f"{one.mean_size:.3f}",
        percent(one.single.value),
        percent(one.sizes[0] / n_images),
        _accuracy(one.single_accuracy),
        short_list(one.out_of_reach),
    ]


def _class_row(one: ClassSets) -> list[str]:
    return [
        one.name,
        str(one.n_images),
        str(one.n_calibration),
        "out of reach" if one.out_of_reach else f"{one.threshold:.4f}",
        percent(one.coverage.value) if one.coverage else "",
        ends(one.coverage) if one.coverage else "",
        "" if one.mean_size is None else f"{one.mean_size:.3f}",
    ]


def _answered_row(one: Answered) -> list[str]:
    return [
        percent(one.share, 0),
        str(one.n_images),
        f"{one.lowest:.4f}",
        _accuracy(one.accuracy),
        ends(one.accuracy),
    ]


def _value(one: ClassSets) -> float:
    return one.coverage.value if one.coverage else float("nan")


def _level(one: LevelSets) -> str:
    return f"{100 * one.level:g} %"


def _accuracy(estimate: Estimate | None) -> str:
    return percent(estimate.value, 2) if estimate else ""
