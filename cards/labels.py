"""Card of the step `cross_fit`: the audit of the training labels.

It answers without scrolling: how many labels are suspect, how many of them are likely errors and
how many belong to classes that anyone confuses, and how far the model itself can be relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import bars, quantity, tooltip
from cards.parts.components import box, details, header, pictures, table
from cards.parts.escape import code, text
from fmnist_lib.common.formatting import capitalised, ends, interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.label_audit.result import LabelAudit

#: Suspects in the folded table, and pairs of classes in the chart.
_LISTED, _PAIRS = 100, 10


def labels_card(audit: LabelAudit | None, version: DataVersion) -> list[MetaflowCardComponent]:
    """Build the card; without an audit it says that the configuration turned it off."""
    if audit is None:
        return [
            *header("The training labels were not audited", version),
            Markdown("Set `cross_fit.enabled = true` in the configuration to audit them."),
        ]
    suspects = audit.suspects
    sample = "" if audit.n_images == audit.n_available else f" of {audit.n_available:,}"
    return [
        *header(
            f"{len(suspects):,} of {audit.n_images:,} audited labels are suspect",
            version,
            f"{audit.n_images:,}{sample} labels of training and validation images, each compared "
            "with the prediction of a fit of the winner's pipeline without that image. No label "
            "was changed.",
            _boxes(audit),
        ),
        *(Markdown(f"{capitalised(text(note))}.") for note in audit.notes),
        *_pairs(suspects),
        *pictures(audit.pictures),
        *_correct(suspects),
        *_listed(suspects),
        _terms(),
        _unusual(audit.unusual),
        Markdown(f"Time: {audit.seconds:.0f} s."),
    ]


def _boxes(audit: LabelAudit) -> Iterator[Any]:
    errors, ambiguous = audit.count("likely error"), audit.count("ambiguous class")
    yield box(
        "Likely errors",
        f"{errors:,}",
        f"{percent(errors / audit.n_images, 2)} of the labels",
    )
    yield box(
        "Ambiguous classes",
        f"{ambiguous:,}",
        "suspects of classes that are often confused: the label may well be correct",
    )
    yield box("Out-of-fold accuracy", percent(audit.accuracy.value, 2), interval(audit.accuracy))
    if audit.weak_group:
        group = audit.weak_group
        yield box(
            "Weakest group",
            percent(group.accuracy.value),
            f"of {group.n_images:,} similar images, mostly {' and '.join(list(group.classes)[:2])};"
            f" interval corrected for {group.n_groups} groups: "
            f"{ends(group.accuracy, 1)}",
        )


def _pairs(suspects: pd.DataFrame) -> list[MetaflowCardComponent]:
    """Build the chart of the most frequent pairs of given and suggested label."""
    if not len(suspects):
        return []
    counts = suspects.groupby(["given", "suggested"]).size().sort_values(ascending=False)
    rows = [
        {"pair": f"{given} → {suggested}", "labels": int(n)}
        for (given, suggested), n in counts.head(_PAIRS).items()
    ]
    numbers = "; ".join(f"{row['pair']} {row['labels']}" for row in rows)
    return [
        Markdown(
            f"## Most frequent pair of suspects: {text(rows[0]['pair'])} ({rows[0]['labels']})"
        ),
        Markdown("Given label → label suggested by the out-of-fold probabilities."),
        bars(
            f"Suspect labels by pair of classes: {numbers}.",
            rows,
            quantity("labels", "suspect labels", ",d"),
            name="pair",
            details=tooltip(pair="", labels=",d"),
        ),
    ]


def _correct(suspects: pd.DataFrame) -> list[MetaflowCardComponent]:
    if not len(suspects):
        return []
    return [
        Markdown("## How to correct labels"),
        Markdown(
            "1. Write the suspects to a table: "
            f"{code('python -m cards labels RUN --out labels.csv')}.\n"
            "2. Look at them, and fill in the column `corrected` where a label is wrong.\n"
            "3. Train on the corrected labels: "
            f"{code('python flows/train.py run --corrections labels.csv')}.\n"
            f"4. Compare the two runs: {code('python -m cards compare BEFORE AFTER')}."
        ),
    ]


def _listed(suspects: pd.DataFrame) -> list[MetaflowCardComponent]:
    if not len(suspects):
        return []
    rows = [
        (
            row["image"],
            row["given"],
            row["suggested"],
            row["kind"],
            f"{row['given_probability']:.4f}",
            f"{row['suggested_probability']:.4f}",
            f"{row['neighbours_given']} and {row['neighbours_suggested']} of {row['neighbours']}",
            row["duplicates"],
        )
        for _, row in suspects.head(_LISTED).iterrows()
    ]
    headers = [
        "image",
        "given",
        "suggested",
        "kind",
        "probability of the given",
        "of the suggested",
        "nearest images with given and suggested label",
        "near-duplicates with another label",
    ]
    return [
        table([*headers[:4], headers[6]], [(*row[:4], row[6]) for row in rows[:5]]),
        details(f"The most suspicious labels ({len(rows)})", headers, rows),
    ]


def _terms() -> MetaflowCardComponent:
    return details(
        "How suspects are found",
        ["term", "meaning"],
        [
            ("suspect", "confident learning (Northcutt et al. 2021) with cleanlab's defaults"),
            (
                "likely error",
                "of rarely confused classes, or only the suggested label is near it",
            ),
            ("ambiguous class", "every other suspect"),
            ("image", "position in the training file, counted from 0"),
        ],
    )


def _unusual(unusual: pd.DataFrame) -> MetaflowCardComponent:
    return details(
        "Unusual images",
        ["image", "label", "reason", "value"],
        [
            (row["image"], row["label"], row["reason"], f"{row['value']:.2f}")
            for _, row in unusual.iterrows()
        ],
    )
