"""Times of the tasks of a run, read through the Client API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cards.client.card_pages import candidate_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow import Run

#: Steps whose time the budget of the search covers.
BUDGETED = ("prepare", "search", "select")


@dataclass(frozen=True)
class TaskTime:
    """Wall time of a task.

    Attributes
    ----------
    step, task : str
    start, seconds : float
        Start in seconds after that of the first task which the run executed, and duration.
    name : str
        The candidate of a search, else the step.
    """

    step: str
    task: str
    start: float
    seconds: float
    name: str = ""


@dataclass(frozen=True)
class Reused:
    """Tasks of a resumed run whose results are those of the run before.

    Attributes
    ----------
    tasks : int
    run : str
        Id of the run before.
    """

    tasks: int
    run: str

    def __str__(self) -> str:
        """Return a clause for a card."""
        tasks = "1 task was" if self.tasks == 1 else f"{self.tasks} tasks were"
        return f"{tasks} taken over from the run {self.run}"


def task_times(run: Run) -> list[TaskTime]:
    """Return the times of the tasks that a run executed and has finished, in order of their start.

    Without tasks that a resumed run took over, whose times are those of copying their results.
    """
    tasks = [task for step in run for task in step if task.finished_at and _origin(task) is None]
    # Not `run.created_at`, which tags change.
    started = min((task.created_at for task in tasks), default=None)
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


def reused_tasks(run: Run) -> Reused | None:
    """Return how many tasks a resumed run took over, and from which run; None if it took none."""
    origins = [origin for step in run for task in step if (origin := _origin(task))]
    return Reused(len(origins), origins[0]) if origins else None


def wall_by_step(times: Sequence[TaskTime]) -> dict[str, float]:
    """Return the seconds from the first start to the last end of the tasks of every step."""
    steps = dict.fromkeys(one.step for one in times)
    return {
        step: max(one.start + one.seconds for one in times if one.step == step)
        - min(one.start for one in times if one.step == step)
        for step in steps
    }


def _origin(task: Any) -> str | None:
    """Return the id of the run that a resumed run took a task over from; None if it executed it."""
    metadata = task.metadata_dict
    return str(metadata["origin-run-id"]) if "origin-task-id" in metadata else None
