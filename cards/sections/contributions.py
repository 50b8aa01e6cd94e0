"""Sections on what feature blocks and ensemble members add, and how far candidates agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from metaflow.cards import Markdown

from cards.parts.charts import heatmap, intervals, tooltip
from cards.parts.components import details, table
from cards.parts.escape import text
from fmnist_lib.common.formatting import p_value, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.contributions import (
        BlockRefits,
        Contribution,
        Contributions,
        RefitContribution,
    )

_Part = TypeVar("_Part", "Contribution", "RefitContribution")


def contributions_sections(contributions: Contributions) -> list[MetaflowCardComponent]:
    """Build the sections; empty ones are left out."""
    return [
        *_parts(
            contributions.blocks,
            "feature blocks",
            f"Accuracy lost on {contributions.n_images:,} validation images when the columns of a "
            "block are permuted among the images (permutation importance).",
        ),
        *_shapley(contributions.shapley, contributions.blocks),
        *_refits(contributions.refits),
        *_others(contributions.others),
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
    ranked = _ranked(parts)
    best = ranked[0]
    title = (
        f"Largest contribution of the {kind}: {best.name}, {_points(best.loss.value)} points"
        if best.loss.low > 0
        else f"None of the {kind} contributes significantly"
    )
    numbers = "; ".join(f"{part.name} {_points(part.loss.value)} points" for part in ranked)
    rows = [
        {
            "part": part.name,
            "value": 100 * part.loss.value,
            "low": 100 * part.loss.low,
            "high": 100 * part.loss.high,
            "colour": "primary" if part.loss.low > 0 else "secondary",
        }
        for part in ranked
    ]
    return [
        Markdown(f"## {text(title)}"),
        Markdown(note + _doubts(ranked)),
        intervals(
            f"Contribution of the {kind}: {numbers}.",
            rows,
            f"accuracy lost, percentage points, with {percent(best.loss.confidence, 0)} interval",
            name="part",
            number_format=".1f",
            details=tooltip(part="", value=".2f", low=".2f", high=".2f"),
        ),
    ]


def _doubts(parts: Sequence[_Part]) -> str:
    """Name the parts without a significant contribution, and those that do harm."""
    useless = [part.name for part in parts if part.loss.low <= 0 <= part.loss.high]
    harmful = [part.name for part in parts if part.loss.high < 0]
    return (
        f" No significant contribution: {text(', '.join(useless))} (the interval covers zero)."
        if useless
        else ""
    ) + (f" More accurate without: {text(', '.join(harmful))}." if harmful else "")


def _shapley(
    shared: Sequence[Contribution], permuted: Sequence[Contribution]
) -> list[MetaflowCardComponent]:
    """Build the paragraph on Shapley values, and whether they rank the blocks alike."""
    if not shared:
        return []
    ranked, by_permutation = _ranked(shared), [part.name for part in _ranked(permuted)]
    values = ", ".join(
        f"{part.name} {_points(part.loss.value)} points "
        f"({_points(part.loss.low)} to {_points(part.loss.high)})"
        for part in ranked
    )
    verdict = (
        "They rank the blocks as the permutation does."
        if [part.name for part in ranked] == by_permutation
        else "**They rank the blocks differently** from the permutation "
        f"({text(', '.join(by_permutation))}): some blocks hold the same information, so that "
        "permuting one alone removes little."
    )
    return [
        Markdown(
            "Shapley values share the accuracy out among the blocks, averaged over all orders of "
            f"adding them, with {percent(shared[0].loss.confidence, 0)} intervals: {text(values)}. "
            + verdict
        )
    ]


def _others(others: Mapping[str, Sequence[Contribution]]) -> list[MetaflowCardComponent]:
    """Build the folded table of the other candidates' blocks."""
    rows = [
        (
            candidate,
            part.name,
            _points(part.loss.value),
            f"{_points(part.loss.low)} to {_points(part.loss.high)}",
        )
        for candidate, parts in others.items()
        for part in _ranked(parts)
    ]
    if not rows:
        return []
    level = next(iter(others.values()))[0].loss.confidence
    header = ["candidate", "block", "accuracy lost, points", f"{percent(level, 0)} interval"]
    return [details("Feature blocks of the other candidates", header, rows)]


def _refits(refits: BlockRefits | None) -> list[MetaflowCardComponent]:
    """Build the section on fits without a block: what each adds to the others."""
    if refits is None:
        return []
    ranked = _ranked(refits.blocks)
    best, last = ranked[0], ranked[-1]
    if best.loss.low > 0:
        title = f"Without {best.name}, a refit loses {_points(best.loss.value)} points of accuracy"
    elif last.loss.high < 0:
        title = f"Without {last.name}, a refit gains {_points(-last.loss.value)} points of accuracy"
    else:
        title = "No single feature block is needed: without any one, a refit is as accurate"
    rows = [
        ("all blocks", percent(refits.accuracy, 2), "", "", ""),
        *(
            (
                f"without {block.name}",
                percent(block.accuracy, 2),
                f"{-100 * block.loss.value:+.2f}",
                f"{-100 * block.loss.high:+.2f} to {-100 * block.loss.low:+.2f}",
                p_value(block.p_value),
            )
            for block in ranked
        ),
    ]
    level = f"{percent(best.loss.confidence, 0)} interval"
    return [
        Markdown(f"## {text(title)}"),
        Markdown(
            f"Best single candidate, its pipeline fitted on {refits.n_fit:,} training images and "
            f"scored on {refits.n_images:,} validation images; p-values of McNemar's test, "
            f"corrected for the number of blocks.{_doubts(ranked)}"
        ),
        table(["pipeline", "accuracy", "difference, points", level, "p"], rows),
    ]


def _ranked(parts: Sequence[_Part]) -> list[_Part]:
    """Return the parts, the largest contribution first."""
    return sorted(parts, key=lambda part: -part.loss.value)


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
