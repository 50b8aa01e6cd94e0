"""The card of the step `publish`: test accuracy, candidates, and locations of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, table
from cards.escape import code, text
from cards.gates import gates_section
from fmnist_lib.release.summary import Summary

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.run_report import RunReport


def summary_card(report: RunReport) -> list[MetaflowCardComponent]:
    """Build the card."""
    summary, tracked = Summary(report), report.publication.tracked
    winner = summary.winner
    return [
        *header(f"Test accuracy {summary.headline}", report.data_version),
        Markdown(
            f"{summary.interval}, {summary.n_images}. "
            "They were used once, after the winner was selected."
        ),
        Markdown(f"**{text(winner['candidate'])}**: {text(winner['description'])}."),
        *_tracking_warning(report.publication.problem),
        Markdown("## Candidates\n\nOn validation images that no search used."),
        table(_HEADERS, ([row[key] for key in _COLUMNS] for row in summary.rows)),
        *gates_section(tracked.decision if tracked else None),
        Markdown("## Most frequent errors of the winner"),
        table(
            ["class", "predicted as", "share of the class"],
            summary.mistakes or [("none", "none", "0 %")],
        ),
        Markdown(f"## Drift\n\n{text(summary.drift_sentence)}"),
        Markdown("## Locations"),
        table(["", ""], summary.identity),
        Markdown("## Next steps"),
        Markdown("\n".join(f"- {text(why)}: {code(what)}" for what, why in summary.commands)),
    ]


_COLUMNS = ("candidate", "status", "accuracy", "interval", "description")
_HEADERS = ["candidate", "status", "validation accuracy", "interval", "pipeline"]


def _tracking_warning(problem: str | None) -> list[MetaflowCardComponent]:
    """Warn if the run is not in MLflow."""
    return [Markdown(f"> **Not in MLflow.** {text(problem)}")] if problem else []
