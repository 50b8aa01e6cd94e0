"""The card of the step `select`.

It answers without scrolling: which candidate won, how accurate it is on the test images, and
whether another candidate is as good.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import intervals, tooltip
from cards.parts.components import box, details, header, pictures, table
from cards.parts.escape import code, text
from cards.sections.contributions import contributions_sections
from cards.sections.costs import costs_section
from cards.sections.trials import DRAWN_ABOVE, trials_section
from fmnist_lib.common.formatting import interval, p_value, percent
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.statistics import SIGNIFICANT
from fmnist_lib.evaluation.leaderboard import OVER_LIMITS, is_failed, winner_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.evaluation_result import Evaluation
    from fmnist_lib.common.spent import Spent
    from fmnist_lib.workflows.select import Selection


def leaderboard_card(
    selection: Selection, version: DataVersion, winner_command: str = ""
) -> list[MetaflowCardComponent]:
    """Build the card; the command opens the card of the winner's search."""
    board, evaluation = selection.leaderboard, selection.evaluation
    winner = winner_of(board)
    finished = board[~is_failed(board)]
    return [
        *header(
            f"Winner: {winner['candidate']}, test accuracy {percent(evaluation.accuracy.value, 2)}",
            version,
            f"{text(winner['description'])}. {_spent(selection.spent)}"
            + (f" Card of its search: {code(winner_command)}." if winner_command else ""),
            _boxes(selection, winner),
        ),
        *_candidates(finished, evaluation.accuracy.confidence),
        *costs_section(finished),
        *trials_section(selection.results, winner),
        *contributions_sections(selection.contributions),
        *_classes(evaluation),
        *pictures(selection.pictures),
        *_failures(board),
        *_details(board, finished, evaluation),
    ]


_HEADERS = [
    "candidate",
    "status",
    "best trial, %",
    "validation accuracy, %",
    "interval",
    "p",
    "log loss",
]
_COSTS = [
    "candidate",
    "trials",
    "search, s",
    "why the search ended",
    "refit, s",
    "training images",
    "ms per image",
    "MB",
]


def _boxes(selection: Selection, winner: pd.Series[Any]) -> Iterable[Any]:
    evaluation = selection.evaluation
    accuracy = evaluation.accuracy
    yield box(
        "Test accuracy",
        percent(accuracy.value, 2),
        interval(accuracy),
        f"{evaluation.n_images:,} images, used once",
    )
    corrected = selection.corrected_accuracy
    yield box(
        "Validation accuracy",
        percent(corrected.value, 2),
        f"{_correction(selection.n_selected_among)}; "
        f"{percent(winner['validation_accuracy'], 2)} as measured",
    )
    yield box(
        "Log loss",
        f"{evaluation.log_loss:.3f}",
        f"expected calibration error {percent(evaluation.calibration_error)}",
    )
    yield box(
        "Prediction",
        f"{winner['predict_ms_per_image']:.2g} ms",
        "per image, on one core in batches of 1,000",
    )
    yield box("Model", f"{winner['model_mb']:.3g} MB", "size of the pickled pipeline")


def _correction(n: int) -> str:
    return "of the only candidate" if n == 1 else f"corrected for the choice among {n} candidates"


def _spent(spent: Spent) -> str:
    images = "all" if spent.rows == spent.most_rows else f"{spent.rows:,} of"
    return (
        f"{text(str(spent))}. The winner's refit used {images} {spent.most_rows:,} training and "
        "validation images."
    )


def _candidates(finished: pd.DataFrame, confidence: float) -> list[MetaflowCardComponent]:
    """Build the comparison of the candidates; the heading says who may be as good."""
    rows = [
        {
            "candidate": row["candidate"],
            "value": row["validation_accuracy"],
            "low": row["accuracy_low"],
            "high": row["accuracy_high"],
            "pipeline": row["description"],
            "p": _p_value(row["p_value"]),
            "ms_per_image": row["predict_ms_per_image"],
            "MB": row["model_mb"],
            "colour": "primary" if row["status"] == "winner" else "secondary",
        }
        for _, row in finished.iterrows()
    ]
    drawn = [row for row in rows if row["value"] > DRAWN_ABOVE] or rows
    omitted = ", ".join(
        f"{row['candidate']} ({percent(row['value'])})" for row in rows if row not in drawn
    )
    numbers = "; ".join(f"{row['candidate']} {percent(row['value'], 2)}" for row in rows)
    return [
        Markdown(f"## {text(_comparison(finished))}"),
        Markdown(
            "Validation images, which no search used. *p* is McNemar's test against the winner."
            + (f" Not drawn: {text(omitted)}." if omitted else "")
        ),
        intervals(
            f"Validation accuracy of the candidates: {numbers}.",
            drawn,
            f"accuracy on the validation images, with {percent(confidence, 0)} interval",
            name="candidate",
            number_format=".1%",
            details=tooltip(
                candidate="",
                pipeline="",
                value=".2%",
                low=".2%",
                high=".2%",
                p="",
                ms_per_image=".3f",
                MB=".1f",
            ),
        ),
    ]


def _comparison(finished: pd.DataFrame) -> str:
    others = finished[finished["status"].isin(["ok", OVER_LIMITS])]
    close = others[others["p_value"] >= SIGNIFICANT]
    if not len(others):
        return "No other candidate finished, apart from baselines"
    if not len(close):
        worse = (others["validation_accuracy"] < finished["validation_accuracy"].max()).all()
        return (
            "Every other candidate is significantly worse"
            if worse
            else "Every other candidate differs significantly from the winner"
        )
    names = " and ".join(close["candidate"]) if len(close) < 3 else f"{len(close)} candidates"  # noqa: PLR2004
    return f"{names}: no significant difference from the winner"


def _classes(evaluation: Evaluation) -> list[MetaflowCardComponent]:
    """Build the recall per class; the heading names the hardest class and the main confusion."""
    rows = evaluation.per_class.dropna(subset=["recall"]).sort_values("recall")
    hardest = rows.iloc[0]
    finding = (
        f"{hardest['class']} is the hardest class: recall {percent(hardest['recall'])}"
        if hardest["recall"] < rows["recall"].max()
        else f"Every class has the recall {percent(hardest['recall'])}"
    )
    pair = evaluation.confused_pairs[0] if evaluation.confused_pairs else None
    confusion = (
        f" Most frequent confusion: {CLASS_NAMES[pair.actual]} predicted as "
        f"{CLASS_NAMES[pair.predicted]}, {pair.count} images."
        if pair
        else ""
    )
    numbers = "; ".join(f"{row['class']} {percent(row['recall'])}" for _, row in rows.iterrows())
    renamed = rows.rename(columns={"recall": "value", "recall_low": "low", "recall_high": "high"})
    return [
        Markdown(f"## {finding}"),
        Markdown(f"Recall: the share of a class's test images that is recognised.{confusion}"),
        intervals(
            f"Recall per class: {numbers}.",
            renamed.to_dict("records"),
            f"recall on test images, with {percent(evaluation.accuracy.confidence, 0)} interval",
            name="class",
            details=tooltip(
                **{"class": ""}, images="", value=".1%", low=".1%", high=".1%", precision=".1%"
            ),
        ),
    ]


def _failures(board: pd.DataFrame) -> list[MetaflowCardComponent]:
    failed = board[is_failed(board)]
    if not len(failed):
        return []
    noun = "candidate" if len(failed) == 1 else "candidates"
    return [
        Markdown(f"## {len(failed)} {noun} failed"),
        table(
            ["candidate", "reason"],
            ((row["candidate"], row["status"]) for _, row in failed.iterrows()),
        ),
    ]


def _details(
    board: pd.DataFrame, finished: pd.DataFrame, evaluation: Evaluation
) -> list[MetaflowCardComponent]:
    """Build the folded tables with every number."""
    confidence = evaluation.accuracy.confidence
    return [
        details(
            f"All candidates: accuracy with {percent(confidence, 0)} interval (a star: on the "
            "Pareto front of accuracy, speed and size)",
            _HEADERS,
            (_row(row) for _, row in finished.iterrows()),
        ),
        details(
            "All candidates: cost of search, refit and prediction",
            _COSTS,
            (_costs(row) for _, row in finished.iterrows()),
        ),
        details(
            "All candidates: best pipeline",
            ["candidate", "best pipeline"],
            zip(board["candidate"], _pipelines(board), strict=True),
        ),
        details(
            "Metrics of the winner on the test images",
            ["metric", "value"],
            _facts(evaluation),
        ),
        details(
            "Metrics per class",
            ["class", "images", "precision", "recall", "interval", "F1"],
            (_class_row(row) for _, row in evaluation.per_class.iterrows()),
        ),
    ]


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    return [
        ("accuracy", str(evaluation.accuracy)),
        ("macro F1", str(evaluation.macro_f1)),
        ("log loss", f"{evaluation.log_loss:.4f}"),
        ("expected calibration error", f"{evaluation.calibration_error:.4f}"),
        ("accuracy of a majority-class classifier", f"{evaluation.majority_share:.4f}"),
    ]


def _row(row: Any) -> list[str]:
    trial = row["trial_accuracy"]
    return [
        f"{row['candidate']}{' *' if row['pareto'] else ''}",
        row["status"],
        "" if trial is None or math.isnan(trial) else f"{100 * trial:.2f}",
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


def _p_value(value: float | None) -> str:
    """Format a p-value; empty for the winner itself."""
    return "" if value is None or math.isnan(value) else p_value(value)


def _pipelines(board: pd.DataFrame) -> pd.Series[str]:
    """Return the best pipeline of every candidate, or the reason of its failure."""
    return board["description"].mask(is_failed(board), board["status"])


def _class_row(row: Any) -> list[str]:
    return [
        row["class"],
        str(row["images"]),
        f"{row['precision']:.3f}",
        f"{row['recall']:.3f}",
        f"{row['recall_low']:.3f} to {row['recall_high']:.3f}",
        f"{row['f1']:.3f}",
    ]
