"""Page and JSON of two runs compared."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cards.parts.components import page_box, render_page
from cards.sections.difference import (
    change_row,
    changes_title,
    comparison_title,
    is_better,
    is_more_accurate,
)
from fmnist_lib.common.formatting import interval, p_value, percent
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.montage import gallery
from fmnist_lib.common.plotting import ALERT, PRIMARY, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.evaluation.run_comparison import Flip, RunComparison

#: Confusions with pictures, and images of each; the JSON file lists all.
_SHOWN_KINDS, _SHOWN_IMAGES = 6, 8


def comparison_page(comparison: RunComparison) -> str:
    """Return the comparison as one HTML page without scripts; every value is escaped."""
    return render_page(
        "comparison.html",
        title=comparison_title(comparison),
        note=f"{comparison.first.name} (before) and {comparison.second.name} (after). "
        + _images_sentence(comparison),
        boxes=list(_boxes(comparison)),
        changes_title=changes_title(comparison.changes),
        changes=[change_row(one) for one in comparison.changes],
        pictures=[_class_picture(comparison), *_flip_pictures(comparison)],
        costs=list(_costs(comparison)),
        classes=[
            (
                one.name,
                percent(one.before),
                percent(one.after),
                f"{100 * one.difference.value:+.1f}",
                _points_interval(one.difference),
            )
            for one in comparison.classes
        ],
    )


def comparison_json(comparison: RunComparison) -> dict[str, Any]:
    """Return the comparison as plain values."""
    return {
        "format": 1,
        "before": comparison.first.name,
        "after": comparison.second.name,
        "changes": [asdict(change) for change in comparison.changes],
        "accuracy": {
            "before": asdict(comparison.before),
            "after": asdict(comparison.after),
            "difference": asdict(comparison.difference),
        },
        "mcnemar": asdict(comparison.paired) if comparison.paired else None,
        "classes": [asdict(one) for one in comparison.classes],
        "flips": [asdict(flip) for flip in comparison.flips],
        "costs": [
            {"name": name, "before": before, "after": after}
            for name, before, after in _costs(comparison)
        ],
    }


def _images_sentence(comparison: RunComparison) -> str:
    n = len(comparison.second.labels)
    if comparison.paired is None:
        return (
            "Their test images differ, so the accuracies are compared as those of independent "
            "samples, and no image can be followed from one run to the other."
        )
    return f"Both were tested on the same {n:,} images, which are compared one by one."


def _boxes(comparison: RunComparison) -> Iterator[dict[str, str]]:
    difference, paired = comparison.difference, comparison.paired
    for title, run, accuracy in (
        ("Test accuracy before", comparison.first, comparison.before),
        ("Test accuracy after", comparison.second, comparison.after),
    ):
        yield page_box(
            title, percent(accuracy.value, 2), f"{interval(accuracy)}; {run.winner['candidate']}"
        )
    yield page_box(
        "Difference",
        f"{100 * difference.value:+.2f} points",
        f"{percent(difference.confidence, 0)} interval {_points_interval(difference)}",
        f"McNemar p {p_value(paired.p_value)}" if paired else "",
        good=is_more_accurate(comparison),
    )
    if paired:
        yield page_box(
            "Newly correct", f"{paired.only_first:,}", "images that only the later run gets right"
        )
        yield page_box(
            "Newly wrong", f"{paired.only_second:,}", "images that only the earlier run gets right"
        )


def _points_interval(estimate: Estimate) -> str:
    return f"{100 * estimate.low:+.2f} to {100 * estimate.high:+.2f}"


def _costs(comparison: RunComparison) -> Iterator[tuple[str, str, str]]:
    for name, column, form in (
        ("search, s", "search_seconds", "{:.0f}"),
        ("refit, s", "fit_seconds", "{:.1f}"),
        ("training images of the refit", "fit_rows", "{:,.0f}"),
        ("prediction, ms per image", "predict_ms_per_image", "{:.3f}"),
        ("model, MB", "model_mb", "{:.1f}"),
    ):
        first, second = (run.winner[column] for run in (comparison.first, comparison.second))
        yield name, form.format(first), form.format(second)


def _class_picture(comparison: RunComparison) -> Picture:
    """Draw the difference of every class's recall with its interval."""
    classes = comparison.classes
    figure = new_figure(9, 0.8 + 0.32 * len(classes))
    axes = figure.subplots()
    beyond = []
    for row, one in enumerate(classes):
        low, value, high = (
            100 * end for end in (one.difference.low, one.difference.value, one.difference.high)
        )
        colour = {True: PRIMARY, False: ALERT, None: SECONDARY}[is_better(one.difference)]
        beyond += [one.name] if colour != SECONDARY else []
        axes.plot([low, high], [row, row], color=colour, linewidth=2.5)
        axes.plot(value, row, "o", color=colour, markersize=7)
    axes.axvline(0, color="#566170", linewidth=0.8)
    axes.set_yticks(range(len(classes)), [one.name for one in classes])
    axes.invert_yaxis()
    axes.set_xlabel("difference of the recall, percentage points, with interval")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    title = (
        f"Recall changed significantly: {', '.join(beyond)}"
        if beyond
        else "No class's recall changed significantly"
    )
    numbers = "; ".join(f"{one.name} {100 * one.difference.value:+.1f}" for one in classes)
    return picture(
        figure,
        "recall-difference",
        title,
        f"After minus before, in percentage points: {numbers}. The intervals of all classes hold "
        f"together with {percent(comparison.difference.confidence, 0)}.",
    )


def _flip_pictures(comparison: RunComparison) -> Iterator[Picture]:
    """Draw the images that flipped, by confusion, the most frequent ones first."""
    images = comparison.second.images
    if images is None:
        return
    kinds = itertools.groupby(comparison.flips, lambda flip: (flip.label, flip.before, flip.after))
    for (label, before, after), group in itertools.islice(kinds, _SHOWN_KINDS):
        flips: list[Flip] = list(group)
        shown = flips[:_SHOWN_IMAGES]
        gained = "newly correct" if after == label else "newly wrong"
        yield gallery(
            f"flips-{label}-{before}-{after}",
            images[[flip.row for flip in shown]],
            [f"no. {flip.row}" for flip in shown],
            f"{len(flips)} {gained}: {CLASS_NAMES[label]}, before {CLASS_NAMES[before]}, "
            f"after {CLASS_NAMES[after]}",
            f"Test images of the class {CLASS_NAMES[label]}, with their numbers from 0; the first "
            f"{len(shown)} of {len(flips)}.",
        )
