"""The card of the step `end`: when every task ran.

It answers without scrolling: how long the run took, which step took most of it, and how much of the
time was the search's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, VegaChart

from cards.client.card_pages import candidate_of
from cards.parts.charts import spec, tooltip
from cards.parts.components import box, details, folded_table, header
from cards.parts.escape import text
from fmnist_lib.common.formatting import percent
from fmnist_lib.common.plotting import PRIMARY, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow import Run
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.plotting import Picture

#: Steps whose time the budget of the search covers.
BUDGETED = ("prepare", "search", "select")


@dataclass(frozen=True)
class TaskTime:
    """Wall time of a task.

    Attributes
    ----------
    step, task : str
    start, seconds : float
        Start in seconds after that of the run, and duration.
    name : str
        The candidate of a search, else the step.
    """

    step: str
    task: str
    start: float
    seconds: float
    name: str = ""


def task_times(run: Run) -> list[TaskTime]:
    """Return the times of a run's tasks that have finished, in the order of their start."""
    tasks = [task for step in run for task in step if task.finished_at]
    # Not `run.created_at`, which tags change.
    started = min(task.created_at for task in tasks)
    times = [
        TaskTime(
            task.parent.id,
            task.id,
            (task.created_at - started).total_seconds(),
            (task.finished_at - task.created_at).total_seconds(),
            candidate_of(task) or task.parent.id,
        )
        for task in tasks
    ]
    return sorted(times, key=lambda one: one.start)


def timeline_card(times: Sequence[TaskTime], version: DataVersion) -> list[MetaflowCardComponent]:
    """Build the card.

    Parameters
    ----------
    times : sequence of TaskTime
        Of the tasks before this one; see `task_times`.
    version : DataVersion
    """
    answer = longest(times)
    return [
        *header(
            answer,
            version,
            "From the start of the first task to the end of the last one before this card. The "
            "time to start a task is part of it.",
            _boxes(times),
        ),
        Markdown(f"## When every task ran: {text(longest_task(times))}"),
        VegaChart(_chart(times, answer)),
        details(
            "Every task",
            folded_table(
                ["step", "task", "start, s", "seconds"],
                ((one.name, one.task, f"{one.start:.1f}", f"{one.seconds:.1f}") for one in times),
            ),
        ),
    ]


def longest(times: Sequence[TaskTime]) -> str:
    """Return the wall time of the run, and the step that covers most of it."""
    spans, step = _spans(times)
    return f"The run took {_wall(times):.0f} s, {spans[step]:.0f} s of it in the step {step}"


def longest_task(times: Sequence[TaskTime]) -> str:
    """Return the task that took longest, in words."""
    task = max(times, key=lambda one: one.seconds)
    return f"{task.name} took longest, {task.seconds:.0f} s"


def wall_by_step(times: Sequence[TaskTime]) -> dict[str, float]:
    """Return the seconds from the first start to the last end of the tasks of every step."""
    steps = dict.fromkeys(one.step for one in times)
    return {
        step: max(one.start + one.seconds for one in times if one.step == step)
        - min(one.start for one in times if one.step == step)
        for step in steps
    }


def _spans(times: Sequence[TaskTime]) -> tuple[dict[str, float], str]:
    """Return the wall time of every step, and the step with the longest."""
    spans = wall_by_step(times)
    return spans, max(spans, key=lambda step: spans[step])


def _wall(times: Sequence[TaskTime]) -> float:
    return max(one.start + one.seconds for one in times)


def _boxes(times: Sequence[TaskTime]) -> Iterator[Any]:
    wall = _wall(times)
    yield box("Wall time", f"{wall:.0f} s", f"{len(times)} tasks")
    budgeted = [one for one in times if one.step in BUDGETED]
    if budgeted:
        seconds = max(one.start + one.seconds for one in budgeted) - budgeted[0].start
        yield box(
            "Search and refit",
            f"{seconds:.0f} s",
            f"{percent(seconds / wall, 0)} of the wall time: what the budget covers",
        )
        yield box("Everything else", f"{wall - seconds:.0f} s", "data, cards, SHAP, drift, bundle")
    busy = sum(one.seconds for one in times)
    yield box("Concurrent tasks", f"{busy / wall:.1f}", "on average")


def _chart(times: Sequence[TaskTime], answer: str) -> dict[str, Any]:
    spans, step = _spans(times)
    rows = [
        {
            "task": f"{one.name} ({one.task})",
            "start": one.start,
            "end": one.start + one.seconds,
            "seconds": one.seconds,
            "label": f"{one.seconds:.0f} s",
            "longest": one.step == step,
        }
        for one in times
    ]
    axis = {"format": "d", "tickCount": 8}
    y = {"field": "task", "type": "nominal", "sort": None, "title": None}
    end = {"field": "end", "type": "quantitative"}
    bar = {
        "y": y,
        "x": {
            "field": "start",
            "type": "quantitative",
            "title": "seconds since the start of the run",
            "axis": axis,
        },
        "x2": {"field": "end"},
        "color": {
            "condition": {"test": "datum.longest", "value": PRIMARY},
            "value": SECONDARY,
        },
        "tooltip": tooltip(task="", start=".0f", end=".0f", seconds=".1f"),
    }
    label = {"y": y, "x": end, "text": {"field": "label"}, "color": {"value": SECONDARY}}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "bar", "height": {"band": 0.6}, "minBandSize": 2}, "encoding": bar},
        {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": label},
    ]
    numbers = "; ".join(f"{name} {seconds:.0f} s" for name, seconds in spans.items())
    return spec(f"{answer}. Wall time by step: {numbers}.", rows, layers, 40 + 22 * len(times))


def timeline_picture(times: Sequence[TaskTime]) -> Picture:
    """Draw when every task ran, for a page without scripts."""
    spans, step = _spans(times)
    figure = new_figure(10, 0.8 + 0.3 * len(times))
    axes = figure.subplots()
    for row, one in enumerate(times):
        colour = PRIMARY if one.step == step else SECONDARY
        axes.barh(row, one.seconds, left=one.start, height=0.6, color=colour)
        axes.text(one.start + one.seconds, row, f" {one.seconds:.0f} s", va="center", fontsize=8)
    axes.set_yticks(range(len(times)), [f"{one.name} ({one.task})" for one in times])
    axes.invert_yaxis()
    axes.set_xlabel("seconds since the start of the run")
    axes.spines[["top", "right"]].set_visible(False)
    numbers = "; ".join(f"{name} {seconds:.0f} s" for name, seconds in spans.items())
    return picture(figure, "timeline", longest(times), f"Wall time by step: {numbers}.")
