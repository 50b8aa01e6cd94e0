"""Sections on the accuracy by slice of the test images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.parts.charts import intervals, tooltip
from cards.parts.components import details
from cards.parts.escape import text
from fmnist_lib.common.formatting import capitalised, ends, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.evaluation.slices import Slice, Slices


def slices_section(slices: Slices) -> list[MetaflowCardComponent]:
    """Build the chart of all slices; the heading says how many are worse."""
    if not slices.slices:
        return [Markdown("## Too few test images for slices")]
    ranked = sorted(slices.slices, key=lambda one: one.accuracy.value)
    labels = _labels(slices.slices)
    rows = [
        {
            "slice": labels[one.name],
            "rule": one.name,
            "value": one.accuracy.value,
            "low": one.accuracy.low,
            "high": one.accuracy.high,
            "images": one.n_images,
            "adjusted_p": p_value(one.adjusted_p_value),
            "colour": "alert" if one.is_worse else "primary",
        }
        for one in ranked
    ]
    worse = [one.name for one in ranked if one.is_worse]
    finding = (
        f"{_slices(len(worse))} significantly less accurate than the other images; the worst: "
        f"{worse[0]}"
        if worse
        else "No slice is significantly worse than the other images"
    )
    confidence = slices.accuracy.confidence
    return [
        Markdown(f"## {text(finding)}"),
        Markdown(
            "Orange: significantly worse (Fisher's exact test, Holm's correction for "
            f"{len(rows)} slices). Found rules: a decision tree was fitted to the errors on one "
            "half of the test images, and its rules were measured on the other half."
            + (f" Not tested, too few images: {slices.n_small}." if slices.n_small else "")
            + "".join(
                f" {capitalised(labels[one.name])}: {text(one.name)}."
                for one in ranked
                if one.kind == "found" and one.is_worse
            )
            + ("" if slices.n_errors else " No test image is misclassified: no tree was fitted.")
        ),
        intervals(
            f"Accuracy by slice: {'; '.join(_number(one) for one in ranked)}.",
            rows,
            f"accuracy on the test images, with {percent(confidence, 0)} interval",
            name="slice",
            details=tooltip(
                slice="", rule="", value=".1%", low=".1%", high=".1%", images=",", adjusted_p=""
            ),
        ),
    ]


def _slices(n: int) -> str:
    return "1 slice is" if n == 1 else f"{n} slices are"


def _labels(slices: Sequence[Slice]) -> dict[str, str]:
    """Return short labels of the slices, by their names; found rules are numbered."""
    found = [one.name for one in slices if one.kind == "found"]
    labels = {
        one.name: one.name.removesuffix(" of the image").replace(" to the training images", "")
        for one in slices
    }
    return labels | {name: f"found rule {number}" for number, name in enumerate(found, start=1)}


def _number(one: Slice) -> str:
    return f"{one.name} {percent(one.accuracy.value)}"


def slices_table(slices: Slices) -> MetaflowCardComponent:
    """Build the folded table of all slices."""
    labels = _labels(slices.slices)
    return details(
        "Every slice",
        ["slice", "label", "images", "accuracy", "interval", "p", "adjusted p", "worse"],
        [
            (
                one.name,
                labels[one.name],
                f"{one.n_images:,}",
                percent(one.accuracy.value),
                ends(one.accuracy, 1),
                p_value(one.p_value),
                p_value(one.adjusted_p_value),
                "YES" if one.is_worse else "no",
            )
            for one in slices.slices
        ],
    )
