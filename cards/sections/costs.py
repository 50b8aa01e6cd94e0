"""The section on accuracy against prediction time and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, VegaChart

from cards.parts.charts import quantity, spec, tooltip
from cards.parts.escape import text
from fmnist_lib.common.formatting import percent
from fmnist_lib.common.plotting import PRIMARY, SECONDARY
from fmnist_lib.evaluation.leaderboard import winner_of

if TYPE_CHECKING:
    import pandas as pd
    from metaflow.cards import MetaflowCardComponent


def costs_section(finished: pd.DataFrame) -> list[MetaflowCardComponent]:
    """Build the section, without baselines; empty if fewer than two candidates finished.

    Parameters
    ----------
    finished : DataFrame
        Rows of the leaderboard that did not fail.
    """
    rows = finished[finished["status"] != "baseline"]
    if len(rows) < 2:  # noqa: PLR2004 (one has nothing to be compared with)
        return []
    title = _finding(rows)
    numbers = "; ".join(
        f"{row['candidate']} {percent(row['validation_accuracy'], 2)}, "
        f"{row['predict_ms_per_image']:.2g} ms, {row['model_mb']:.3g} MB"
        for _, row in rows.iterrows()
    )
    return [
        Markdown(f"## {text(title)}"),
        Markdown(
            "Blue: on the Pareto front, where no other candidate is at least as good in accuracy, "
            "prediction time and size, and better in one of them. The area of a point grows with "
            "the size of the model."
        ),
        VegaChart(_chart(rows, f"{title}. {numbers}.")),
    ]


def _finding(rows: pd.DataFrame) -> str:
    winner = winner_of(rows)
    fastest = rows.loc[rows["predict_ms_per_image"].idxmin()]
    if fastest["candidate"] == winner["candidate"]:
        return "The winner is also the fastest to predict"
    times = winner["predict_ms_per_image"] / max(fastest["predict_ms_per_image"], 1e-9)
    points = 100 * (winner["validation_accuracy"] - fastest["validation_accuracy"])
    speed = f"{times:.1f}" if times < 10 else f"{times:.0f}"  # noqa: PLR2004 (two digits)
    accuracy = (
        f"{abs(points):.2f} points {'less' if points > 0 else 'more'} accurate"
        if f"{abs(points):.2f}" != "0.00"
        else "as accurate"
    )
    return f"{fastest['candidate']} predicts {speed} times as fast as the winner, and is {accuracy}"


def _chart(rows: pd.DataFrame, description: str) -> dict[str, Any]:
    values = [
        {
            "candidate": row["candidate"],
            "accuracy": row["validation_accuracy"],
            "ms_per_image": row["predict_ms_per_image"],
            "MB": row["model_mb"],
            "pareto": bool(row["pareto"]),
            # Candidates of about the same accuracy would hide each other's names.
            "below": bool(rank % 2),
        }
        for rank, (_, row) in enumerate(rows.iterrows())
    ]
    x = quantity("ms_per_image", "prediction, ms per image (logarithmic)", ".2~g")
    x["scale"] = {"type": "log", "padding": 30}
    y = quantity("accuracy", "validation accuracy", ".1%")
    y["scale"] = {"zero": False, "padding": 15}
    colour = {"condition": {"test": "datum.pareto", "value": PRIMARY}, "value": SECONDARY}
    size = {"field": "MB", "type": "quantitative", "legend": None, "scale": {"range": [40, 700]}}
    position = {"x": x, "y": y}
    details = tooltip(candidate="", accuracy=".2%", ms_per_image=".3f", MB=".1f")
    points = {"color": colour, "size": size, "tooltip": details}
    label = {"text": {"field": "candidate"}, "color": {"value": SECONDARY}}
    height = {"expr": "datum.below ? 20 : -17"}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "point"}, "encoding": position | points},
        {"mark": {"type": "text", "dy": height, "fontSize": 12}, "encoding": position | label},
    ]
    return spec(description, values, layers, 260)
