"""The card of the step `end`: when every task ran.

It answers without scrolling: how long the run took, which step took most of it, and how much of the
time was the search's own. Of a resumed run it shows the tasks that the run executed itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, VegaChart

from cards.client.task_times import BUDGETED, wall_by_step
from cards.parts.charts import spec, tooltip
from cards.parts.components import box, details, header
from cards.parts.escape import text
from fmnist_lib.common.formatting import percent
from fmnist_lib.common.plotting import PRIMARY, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow.cards import MetaflowCardComponent

    from cards.client.task_times import Reused, TaskTime
    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.plotting import Picture


def timeline_card(
    times: Sequence[TaskTime], version: DataVersion, reused: Reused | None = None
) -> list[MetaflowCardComponent]:
    """Build the card.

    Parameters
    ----------
    times : sequence of TaskTime
        Of the tasks before this one; see `task_times`.
    version : DataVersion
    reused : Reused or None
        Tasks that a resumed run took over.
    """
    if not times:
        return header("No task ran before this one", version, _taken_over(reused))
    answer = longest(times, reused)
    note = (
        "From the start of the first task to the end of the last one before this card. The time to "
        f"start a task is part of it. {_taken_over(reused)}"
    )
    return [
        *header(answer, version, note.strip(), _boxes(times, reused)),
        Markdown(f"## When every task ran: {text(longest_task(times))}"),
        VegaChart(_chart(times, answer)),
        details(
            "Every task",
            ["step", "task", "start, s", "seconds"],
            ((one.name, one.task, f"{one.start:.1f}", f"{one.seconds:.1f}") for one in times),
        ),
    ]


def longest(times: Sequence[TaskTime], reused: Reused | None = None) -> str:
    """Return the wall time of the run, and the step that covers most of it."""
    spans, step = _spans(times)
    run = "After it was resumed, the run" if reused else "The run"
    return f"{run} took {_wall(times):.0f} s, {spans[step]:.0f} s of it in the step {step}"


def _taken_over(reused: Reused | None) -> str:
    return f"{reused}, and not timed." if reused else ""


def longest_task(times: Sequence[TaskTime]) -> str:
    """Return the task that took longest, in words."""
    task = max(times, key=lambda one: one.seconds)
    return f"{task.name} took longest, {task.seconds:.0f} s"


def _spans(times: Sequence[TaskTime]) -> tuple[dict[str, float], str]:
    """Return the wall time of every step, and the step with the longest."""
    spans = wall_by_step(times)
    return spans, max(spans, key=lambda step: spans[step])


def _wall(times: Sequence[TaskTime]) -> float:
    return max(one.start + one.seconds for one in times)


def _boxes(times: Sequence[TaskTime], reused: Reused | None) -> Iterator[Any]:
    wall = _wall(times)
    yield box("Wall time", f"{wall:.0f} s", "1 task" if len(times) == 1 else f"{len(times)} tasks")
    budgeted = [one for one in times if one.step in BUDGETED]
    # What a resumed run took over may be a part of the search.
    if budgeted and reused is None:
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


def timeline_picture(times: Sequence[TaskTime], reused: Reused | None = None) -> Picture:
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
    caption = f"Wall time by step: {numbers}. {_taken_over(reused)}".strip()
    return picture(figure, "timeline", longest(times, reused), caption)
