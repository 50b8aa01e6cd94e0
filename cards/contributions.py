"""Sections on what feature blocks and ensemble members add, and how far candidates agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.charts import heatmap, intervals, tooltip
from cards.escape import text
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.contributions import Contribution, Contributions


def contributions_sections(contributions: Contributions) -> list[MetaflowCardComponent]:
    """Build the sections; empty ones are left out."""
    return [
        *_parts(
            contributions.blocks,
            "feature blocks",
            f"Accuracy lost on {contributions.n_images:,} validation images when the columns of a "
            "block are permuted among the images (permutation importance).",
        ),
        *_parts(
            contributions.members,
            "members of the ensemble",
            "Accuracy that the ensemble loses on the validation images without a member.",
        ),
        *_agreement(contributions.agreement),
    ]


def _parts(parts: Sequence[Contribution], kind: str, note: str) -> list[MetaflowCardComponent]:
    if len(parts) < 2:  # noqa: PLR2004 (the only one contributes all)
        return []
    ranked = sorted(parts, key=lambda part: -part.loss.value)
    useless = [part.name for part in ranked if part.loss.low <= 0]
    best = ranked[0]
    title = f"{best.name} contributes most of the {kind}: {_points(best.loss.value)} points"
    numbers = "; ".join(f"{part.name} {_points(part.loss.value)} points" for part in ranked)
    rows = [
        {
            "part": part.name,
            "value": 100 * part.loss.value,
            "low": 100 * part.loss.low,
            "high": 100 * part.loss.high,
            "colour": "secondary" if part.name in useless else "primary",
        }
        for part in ranked
    ]
    doubt = (
        f" No contribution can be shown of {text(', '.join(useless))}: the interval covers zero."
        if useless
        else ""
    )
    return [
        Markdown(f"## {text(title)}"),
        Markdown(note + doubt),
        intervals(
            f"Contribution of the {kind}: {numbers}.",
            rows,
            f"accuracy lost, percentage points, with {best.loss.confidence:.0%} interval",
            name="part",
            number_format=".1f",
            details=tooltip(part="", value=".2f", low=".2f", high=".2f"),
        ),
    ]


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _agreement(shares: pd.DataFrame) -> list[MetaflowCardComponent]:
    names = list(shares.index)
    pairs = [
        (shares.loc[one, other], one, other)
        for position, one in enumerate(names)
        for other in names[position + 1 :]
    ]
    if not pairs:
        return []
    most, one, other = max(pairs)
    cells = [
        {"row": row, "column": column, "share": float(shares.loc[row, column])}
        for row in names
        for column in names
    ]
    numbers = "; ".join(f"{a} and {b} {percent(share)}" for share, a, b in pairs)
    return [
        Markdown(f"## {text(one)} and {text(other)} agree most: on {percent(most)} of the images"),
        Markdown(
            "Share of the validation images that two candidates classify alike. An ensemble gains "
            "from candidates that are accurate and differ."
        ),
        heatmap(f"Agreement of the candidates: {numbers}.", cells),
    ]
