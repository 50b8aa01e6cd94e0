"""The card of one candidate, updated while it searches.

It answers without scrolling: how good its best pipeline is so far, how much time is left, and
whether it still searches.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, ProgressBar, VegaChart

from cards.parts.charts import bars, line_with_intervals, points, quantity, spec, tooltip
from cards.parts.components import box, details, header
from cards.parts.escape import paragraphs, text
from cards.sections.trials import n_trials
from fmnist_lib.common.formatting import interval, percent
from fmnist_lib.common.plotting import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.search.engines.result import CandidateResult, Progress


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
        self._chart = VegaChart(_best_so_far([]))
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
            self._chart.update(_best_so_far(self._points))

    def _show_phase(self, phase: str) -> None:
        self._text.update(f"**{text(phase)}** - {n_trials(self._trials)}")

    def _show_time(self, seconds: float) -> None:
        share = min(100 * seconds / max(self._limit, 1e-9), 100)
        limit = f" of {max(self._limit, 0):.0f}" if math.isfinite(self._limit) else ""
        self._bar.update(round(share), f"{seconds:.0f}{limit} s")


def result_card(result: CandidateResult, version: DataVersion) -> list[MetaflowCardComponent]:
    """Build the card of a candidate that has ended, which replaces the live components."""
    if result.failed:
        return [
            *header(f"Candidate {result.id} failed", version),
            Markdown(f"{paragraphs(result.error)}\n\nThe run continues without it."),
        ]
    return [
        *header(
            f"Candidate {result.id} reaches {percent(_value(result), 2)} on the validation images",
            version,
            f"{text(result.description)}.",
            _boxes(result),
        ),
        *_trials(result),
        *_learning_curve(result),
        *_importances(result),
        *_front(result),
        details("Every figure", ["figure", "value"], _facts(result)),
        details(
            "Hyper-parameters of the best pipeline",
            ["parameter", "value"],
            sorted(result.params.items()),
        ),
    ]


def _boxes(result: CandidateResult) -> Iterator[Any]:
    accuracy = result.validation_accuracy
    if accuracy:
        yield box(
            "Validation accuracy",
            percent(accuracy.value, 2),
            interval(accuracy),
        )
    yield box(
        "Search",
        f"{result.search_seconds:.0f} s",
        n_trials(0 if result.trials is None else len(result.trials)),
        f"ended: {result.stopped}" if result.stopped else "",
    )
    yield box("Refit", f"{result.fit_seconds:.1f} s", f"on {result.fit_rows:,} training images")
    yield box("Model", f"{result.model_mb:.3g} MB", "size of the pickled pipeline")


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
        ("model", f"{result.model_mb:.1f} MB"),
    ]


def _trial_fact(accuracy: float) -> tuple[str, str]:
    return ("best trial on held-out training images, optimistic", f"{accuracy:.4f}")


def _importances(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the section on the importance of hyper-parameters."""
    if not result.importances:
        return []
    largest = sorted(result.importances.items(), key=lambda item: -item[1])[:8]
    numbers = "; ".join(f"{name} {percent(share)}" for name, share in largest)
    return [
        Markdown(f"## {text(largest[0][0])} matters most among the hyper-parameters"),
        Markdown("Share of the variance of the trials' accuracy that each explains (fANOVA)."),
        bars(
            f"Importance of hyper-parameters: {numbers}.",
            [{"parameter": name, "share": share} for name, share in largest],
            quantity("share", "share of the variance", ".0%"),
            name="parameter",
            details=tooltip(parameter="", share=".1%"),
        ),
    ]


def _learning_curve(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the section on what more training images bring."""
    curve = result.learning_curve
    if not curve[1:]:
        return []
    before, last = curve[-2:]
    points = f"{100 * (last.accuracy.value - before.accuracy.value):+.1f} points"
    rows = [
        {
            "images": point.rows,
            "accuracy": point.accuracy.value,
            "low": point.accuracy.low,
            "high": point.accuracy.high,
        }
        for point in curve
    ]
    numbers = "; ".join(
        f"{point.rows:,} images {percent(point.accuracy.value, 2)} ({interval(point.accuracy)})"
        for point in curve
    )
    return [
        Markdown(f"## From {before.rows:,} to {last.rows:,} training images: {points}"),
        Markdown(
            "Accuracy of the best pipeline on held-out training images, fitted on a part of the "
            "others, with intervals. Optimistic: the pipeline was selected among many."
        ),
        line_with_intervals(
            f"Learning curve: {numbers}.",
            rows,
            quantity("images", "training images", "~s") | {"scale": {"type": "log"}},
            "accuracy",
            details=tooltip(images=",d", accuracy=".2%", low=".2%", high=".2%"),
        ),
    ]


def _front(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the folded Pareto front of accuracy and complexity."""
    if result.front is None or result.front.empty:
        return []
    front = result.front.sort_values("value", ascending=False)
    rows = [
        (f"{row['value']:.4f}", f"{row['complexity']:.0f}", row["pipeline"])
        for _, row in front.iterrows()
    ]
    headers = ["accuracy", "complexity (parameters)", "pipeline"]
    return [details("Accuracy against complexity: the Pareto front", headers, rows)]


def _trials(result: CandidateResult) -> list[MetaflowCardComponent]:
    """Build the section on the trials: counts, chart, reasons of failures."""
    if result.trials is None or result.trials.empty:
        return []
    trials = result.trials
    counts = ", ".join(f"{n} {state}" for state, n in trials["state"].value_counts().items())
    drawn = trials.loc[trials["value"].notna(), ["seconds", "value", "state", "number"]]
    components: list[MetaflowCardComponent] = [
        Markdown(f"## {n_trials(len(trials))}: {counts}"),
        Markdown("Accuracy of every trial on held-out training images."),
        points(
            f"{n_trials(len(trials))}: {counts}.",
            drawn.rename(columns={"value": "accuracy", "number": "trial"}).to_dict("records"),
            quantity("seconds", "seconds since the start of the search"),
            quantity("accuracy", "accuracy", ".1%"),
            colour="state",
            details=tooltip(trial="", accuracy=".2%", state="", seconds=".0f"),
        ),
    ]
    reasons = trials.loc[trials["state"] != "complete", "reason"].dropna().value_counts()
    if len(reasons):
        headers = ["reason", "trials"]
        components.append(details("Why trials were not completed", headers, reasons.items()))
    return components


def _best_so_far(rows: list[dict[str, float]]) -> dict[str, Any]:
    best = f"{percent(rows[-1]['accuracy'], 2)}" if rows else "nothing yet"
    mark = {"type": "line", "interpolate": "step-after", "point": True, "color": PRIMARY}
    encoding = {
        "x": quantity("seconds", "seconds since the start"),
        "y": quantity("accuracy", "best accuracy so far", ".1%"),
        "tooltip": tooltip(accuracy=".2%", seconds=".0f"),
    }
    return spec(f"Best accuracy so far: {best}.", rows, [{"mark": mark, "encoding": encoding}], 220)
