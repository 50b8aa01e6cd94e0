"""The card of one candidate, updated while it searches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, ProgressBar, VegaChart

from cards.components import header, table
from cards.escape import paragraphs, text
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.search.engines.result import CandidateResult, Progress

_STATE_COLOURS = {
    "domain": ["complete", "pruned", "failed", "skipped"],
    "range": ["#2563a8", "#9aa5b1", "#c2410c", "#d6d3d1"],
}


class LiveCard:
    """Components that show the progress of a running search.

    Parameters
    ----------
    candidate : str
        Id of the candidate.
    seconds : float
        Its wall limit; infinite if the search is bounded by trials.
    version : DataVersion
    """

    def __init__(self, candidate: str, seconds: float, version: DataVersion) -> None:
        self._bar = ProgressBar(max=100, label="time used", unit="%")
        self._limit = seconds
        self._show_time(0.0)
        self._text = Markdown("starting")
        self._trials = 0
        self._chart = VegaChart(_best_so_far_chart([]))
        self._points: list[dict[str, float]] = []
        self.components: list[MetaflowCardComponent] = [
            *header(f"Candidate {candidate}", version),
            self._bar,
            self._text,
            self._chart,
        ]

    def update(self, progress: Progress) -> None:
        """Show the progress of the search."""
        self._show_time(progress.seconds)
        self._trials = progress.trials
        self._show_phase(progress.phase)
        if progress.best is not None:
            self._points.append({"seconds": progress.seconds, "accuracy": progress.best})
            self._chart.update(_best_so_far_chart(self._points))

    def end(self) -> None:
        """Show that the search has ended."""
        self._show_phase("ended")

    def _show_phase(self, phase: str) -> None:
        self._text.update(f"**{text(phase)}** - {self._trials} pipelines tried")

    def _show_time(self, seconds: float) -> None:
        share = min(100 * seconds / max(self._limit, 1e-9), 100)
        limit = f" of {self._limit:.0f}" if math.isfinite(self._limit) else ""
        self._bar.update(round(share), f"{seconds:.0f}{limit} s")


def result_card(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the result section, which follows the live components."""
    if result.failed:
        reason = paragraphs(result.error)
        return [Markdown(f"## Failed\n\n{reason}\n\nThe run continues without it.")]
    return [
        Markdown(f"## Result: {percent(_value(result), 2)} on the validation images"),
        Markdown(text(result.description)),
        table(["", ""], _facts(result)),
        *_trials(result),
        *_importances(result),
        *_front(result),
        Markdown("### Hyper-parameters"),
        table(["parameter", "value"], sorted(result.params.items())),
    ]


def _value(result: CandidateResult) -> float:
    return result.validation_accuracy.value if result.validation_accuracy else float("nan")


def _facts(result: CandidateResult) -> list[tuple[str, str]]:
    trial = [] if result.trial_accuracy is None else [_trial_fact(result.trial_accuracy)]
    return [
        ("validation accuracy [interval]", str(result.validation_accuracy)),
        *trial,
        ("validation log loss", f"{result.validation_log_loss:.4f}"),
        ("search", f"{result.search_seconds:.0f} s"),
        *([("search ended", text(result.stopped))] if result.stopped else []),
        (f"refit on {result.fit_rows:,} training images", f"{result.fit_seconds:.1f} s"),
        ("prediction", f"{result.predict_ms_per_image:.3f} ms per image"),
        ("model", f"{result.model_mb:.1f} MB"),
    ]


def _trial_fact(accuracy: float) -> tuple[str, str]:
    return ("best trial on held-out training images, optimistic", f"{accuracy:.4f}")


def _importances(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the section on the importance of hyper-parameters."""
    if not result.importances:
        return []
    shares = [(name, percent(share)) for name, share in result.importances.items()]
    return [
        Markdown(
            "### Hyper-parameter importance\n\nShare of the variance of the trials' accuracy that "
            "a parameter explains (fANOVA)."
        ),
        table(["parameter", "share"], shares[:8]),
    ]


def _front(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the section on the Pareto front of accuracy and complexity."""
    if result.front is None or result.front.empty:
        return []
    front = result.front.sort_values("value", ascending=False)
    rows = [
        (f"{row['value']:.4f}", f"{row['complexity']:.0f}", row["pipeline"])
        for _, row in front.iterrows()
    ]
    return [
        Markdown("### Accuracy against complexity: the Pareto front"),
        table(["accuracy", "parameters", "pipeline"], rows),
    ]


def _trials(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the section on the pipelines tried: counts, chart, reasons of failures."""
    if result.trials is None or result.trials.empty:
        return []
    trials = result.trials
    counts = ", ".join(f"{n} {state}" for state, n in trials["state"].value_counts().items())
    components: list[MetaflowCardComponent] = [
        Markdown(f"## Pipelines tried\n\n{len(trials)}: {counts}."),
        VegaChart(_trials_chart(trials)),
    ]
    reasons = trials.loc[trials["state"] != "complete", "reason"].dropna().value_counts()
    if len(reasons):
        components.append(table(["reason not completed", "pipelines"], reasons.head(8).items()))
    return components


def _trials_chart(trials: Any) -> dict[str, Any]:
    points = trials.loc[trials["value"].notna(), ["seconds", "value", "state", "number"]]
    return _chart(
        points.to_dict("records"),
        {
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {
                "x": _axis("seconds", "seconds since the start"),
                "y": _axis("value", "accuracy on the held-out rows", ".1%"),
                "color": {"field": "state", "type": "nominal", "scale": _STATE_COLOURS},
                "tooltip": [{"field": "number"}, {"field": "value"}, {"field": "state"}],
            },
        },
    )


def _best_so_far_chart(points: list[dict[str, float]]) -> dict[str, Any]:
    return _chart(
        points,
        {
            "mark": {"type": "line", "interpolate": "step-after", "point": True},
            "encoding": {
                "x": _axis("seconds", "seconds since the start"),
                "y": _axis("accuracy", "best accuracy so far", ".1%"),
            },
        },
    )


def _axis(field: str, title: str, number_format: str = "d") -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False},
        "axis": {"format": number_format},
    }


def _chart(points: list[dict[str, Any]], layer: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 600,
        "height": 220,
        "data": {"values": points},
        **layer,
    }
