"""The card of the step `publish`: test accuracy, candidates, and locations of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, table
from cards.escape import code, text
from cards.gates import gates_section

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.registry.promotion import PromotionDecision
    from fmnist_lib.release.summary import RunSummary


def summary_card(
    summary: RunSummary, decision: PromotionDecision | None = None
) -> list[MetaflowCardComponent]:
    """Build the card.

    Parameters
    ----------
    summary : RunSummary
        The same as on the printed page.
    decision : PromotionDecision, optional
        None when MLflow was not available.
    """
    winner = summary.champion
    return [
        *header(f"Test accuracy {summary.headline}", summary.data_version),
        Markdown(
            f"{summary.interval}, {summary.n_images}. "
            "They were used once, after the winner was selected."
        ),
        Markdown(f"**{text(winner['candidate'])}**: {text(winner['description'])}."),
        *_tracking_warning(summary),
        Markdown("## Candidates\n\nOn validation images that no search used."),
        table(_HEADERS, ([row[key] for key in _COLUMNS] for row in summary.rows)),
        *gates_section(decision),
        Markdown("## Most frequent errors of the winner"),
        table(
            ["class", "predicted as", "share of the class"],
            summary.mistakes or [("none", "none", "0 %")],
        ),
        Markdown(f"## Drift\n\n{text(summary.drift_sentence)}"),
        Markdown("## Locations"),
        table(["", ""], summary.identity),
        Markdown("## Next steps"),
        Markdown("\n".join(_commands(summary))),
    ]


_COLUMNS = ("candidate", "status", "accuracy", "interval", "description")
_HEADERS = ["candidate", "status", "validation accuracy", "interval", "pipeline"]


def _tracking_warning(summary: RunSummary) -> list[MetaflowCardComponent]:
    """Warn if the run is not in MLflow."""
    if summary.tracking_problem is None:
        return []
    return [Markdown(f"> **Not in MLflow.** {text(summary.tracking_problem)}")]


def _commands(summary: RunSummary) -> list[str]:
    return [f"- {text(effect)}: {code(command)}" for command, effect in summary.commands]
