"""The card of the step `select`: the winner, its margin, and its test accuracy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.components import header, pictures, table
from cards.escape import text
from fmnist_lib.common.formatting import p_value, percent

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.evaluation_result import Evaluation
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.search.execution.budget import Spent
    from fmnist_lib.workflows.select import Selection


def leaderboard_card(selection: Selection, version: DataVersion) -> list[MetaflowCardComponent]:
    """Build the card."""
    leaderboard, evaluation = selection.leaderboard, selection.evaluation
    winner = leaderboard.loc[leaderboard["status"] == "winner"].iloc[0]
    return [
        *header(f"Winner: {winner['candidate']}", version),
        Markdown(f"{text(winner['description'])}. {_spent(selection.spent)}"),
        Markdown(
            f"## Test accuracy {percent(evaluation.accuracy.value, 2)}\n\n"
            f"{evaluation.accuracy.confidence:.0%} interval "
            f"{percent(evaluation.accuracy.low, 2)} to {percent(evaluation.accuracy.high, 2)}. "
            f"Only the winner was evaluated on the {evaluation.n_images:,} test images: once, "
            "after it was selected."
        ),
        table(["", "winner on the test images"], _facts(evaluation)),
        Markdown(_LEADERBOARD.format(percent(selection.corrected_accuracy.value, 2))),
        table(_HEADERS, (_row(row) for _, row in leaderboard.iterrows())),
        Markdown(
            "### Cost\n\n*Rows* are the training images of the fit that was validated: "
            "all, or as many as the time allowed. *ms* is the prediction time per image on "
            "one processor core, in a batch of 1,000."
        ),
        table(_COSTS, (_costs(row) for _, row in leaderboard.iterrows() if not _has_failed(row))),
        table(
            ["candidate", "best pipeline"],
            ((row["candidate"], _description(row)) for _, row in leaderboard.iterrows()),
        ),
        *pictures(selection.pictures),
        Markdown("## Metrics per class"),
        table(
            ["class", "images", "precision", "recall", "interval", "F1"],
            (_class_row(row) for _, row in evaluation.per_class.iterrows()),
        ),
    ]


_LEADERBOARD = (
    "## Leaderboard\n\nOrdered by accuracy on the validation images, which no search used. The "
    "best of several is optimistic: corrected for the selection (bootstrap) it is {}. *Trial* is "
    "the trial that the search selected, on held-out training images: fitted on fewer, but often "
    "optimistic, as the best of many. *p* is McNemar's test against the winner. A star marks the "
    "Pareto front of accuracy, speed and size."
)
_HEADERS = [
    "candidate",
    "status",
    "trial %",
    "accuracy %",
    "interval",
    "p",
    "log loss",
]
_COSTS = ["candidate", "tried", "search s", "search ended", "refit s", "rows", "ms", "MB"]


def _spent(spent: Spent) -> str:
    images = "all" if spent.rows == spent.most_rows else f"{spent.rows:,} of"
    return (
        f"{text(str(spent))}. The winner was fitted on {images} {spent.most_rows:,} training and "
        "validation images."
    )


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    return [
        ("accuracy", str(evaluation.accuracy)),
        ("macro F1", str(evaluation.macro_f1)),
        ("log loss", f"{evaluation.log_loss:.4f}"),
        ("expected calibration error", f"{evaluation.calibration_error:.4f}"),
        ("always the most frequent class", f"{evaluation.majority_share:.4f}"),
    ]


def _row(row: Any) -> list[str]:
    if _has_failed(row):
        blanks = [""] * (len(_HEADERS) - 2)
        return [row["candidate"], "failed", *blanks]
    return [
        f"{row['candidate']}{' *' if row['pareto'] else ''}",
        row["status"],
        ""
        if math.isnan(row["trial_accuracy"] or math.nan)
        else f"{100 * row['trial_accuracy']:.2f}",
        f"{100 * row['validation_accuracy']:.2f}",
        f"{100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f}",
        _p_value(row["p_value"]),
        f"{row['validation_log_loss']:.3f}",
    ]


def _costs(row: Any) -> list[str]:
    return [
        row["candidate"],
        str(row["trials"]),
        f"{row['search_seconds']:.0f}",
        row["stopped"],
        f"{row['fit_seconds']:.1f}",
        f"{row['fit_rows']:,}",
        f"{row['predict_ms_per_image']:.3f}",
        f"{row['model_mb']:.1f}",
    ]


def _has_failed(row: Any) -> bool:
    return str(row["status"]).startswith("failed")


def _p_value(value: float | None) -> str:
    """Format a p-value; empty for the winner itself."""
    if value is None or math.isnan(value):
        return ""
    return p_value(value)


def _description(row: Any) -> str:
    """Return the pipeline, or the reason of a failure."""
    if _has_failed(row):
        return str(row["status"])
    return str(row["description"])


def _class_row(row: Any) -> list[str]:
    return [
        row["class"],
        str(row["images"]),
        f"{row['precision']:.3f}",
        f"{row['recall']:.3f}",
        f"{row['recall_low']:.3f} to {row['recall_high']:.3f}",
        f"{row['f1']:.3f}",
    ]
