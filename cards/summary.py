"""The card of the step `publish`: the number, the candidates, and where everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, table
from cards.escape import code, text
from cards.gates import gates_section

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.release.summary import RunSummary
    from fmnist_lib.tracking.promotion import PromotionDecision


def summary_card(
    summary: RunSummary, decision: PromotionDecision | None = None
) -> list[MetaflowCardComponent]:
    """Build the card.

    Parameters
    ----------
    summary : RunSummary
        The same as the printed page shows.
    decision : PromotionDecision, optional
        None when MLflow could not be asked.
    """
    champion = summary.champion
    return [
        *header(f"{summary.headline} of the test images right", summary.data_version),
        Markdown(
            f"{summary.interval}, {summary.n_images}. "
            "They were used once, after the champion was chosen."
        ),
        Markdown(f"**{text(champion['candidate'])}**: {text(champion['description'])}."),
        *_tracking_warning(summary),
        Markdown("## Candidates\n\nOn validation images that no search has seen."),
        table(_HEADERS, ([row[key] for key in _COLUMNS] for row in summary.rows)),
        *gates_section(decision),
        Markdown("## What the champion confuses most"),
        table(
            ["class", "taken for", "share of the class"],
            summary.mistakes or [("none", "none", "0 %")],
        ),
        Markdown(f"## Drift\n\n{text(summary.drift_sentence)}"),
        Markdown("## Where everything is"),
        table(["", ""], summary.identity),
        Markdown("## Where next"),
        Markdown("\n".join(_commands(summary))),
    ]


_COLUMNS = ("candidate", "status", "accuracy", "interval", "description")
_HEADERS = ["candidate", "status", "validation accuracy", "interval", "pipeline"]


def _tracking_warning(summary: RunSummary) -> list[MetaflowCardComponent]:
    """Say loudly that MLflow does not know this run."""
    if summary.tracking_problem is None:
        return []
    return [Markdown(f"> **Not in MLflow.** {text(summary.tracking_problem)}")]


def _commands(summary: RunSummary) -> list[str]:
    return [f"- {text(effect)}: {code(command)}" for command, effect in summary.commands]
