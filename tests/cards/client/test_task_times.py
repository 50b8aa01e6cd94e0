from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

from cards.client.task_times import reused_tasks, task_times


class Task(dict):
    """A task of the Client API: artifacts by name."""

    def __init__(self, step, number, start, end, origin=None, **artifacts):
        super().__init__({name: SimpleNamespace(data=value) for name, value in artifacts.items()})
        first = datetime(2026, 1, 1)  # noqa: DTZ001 (Metaflow's are naive as well)
        self.parent, self.id = SimpleNamespace(id=step), number
        self.metadata_dict = {"origin-run-id": str(origin)}  # "None" where nothing was resumed
        if origin:
            self.metadata_dict["origin-task-id"] = number
        self.created_at = first + timedelta(seconds=start)
        self.finished_at = None if end is None else first + timedelta(seconds=end)


def test_tasks_are_read_in_the_order_of_their_start():
    run = [
        [Task("end", "9", 30, None)],
        [Task("search", "4", 5, 9, candidate="tpot"), Task("search", "3", 4, 20)],
        [Task("start", "1", 0, 3)],
    ]
    assert [(one.name, one.start, one.seconds) for one in task_times(run)] == [
        ("start", 0.0, 3.0),
        ("search", 4.0, 16.0),
        ("tpot", 5.0, 4.0),
    ]
    assert reused_tasks(run) is None


def test_tasks_that_a_resumed_run_took_over_have_no_times():
    run = [
        [Task("end", "19", 40, None)],
        [Task("search", "14", 5, 9, candidate="tpot"), Task("search", "13", 1, 1.2, "17")],
        [Task("start", "11", 0, 0.3, "17")],
    ]
    assert [(one.name, one.start, one.seconds) for one in task_times(run)] == [("tpot", 0.0, 4.0)]
    assert str(reused_tasks(run)) == "2 tasks were taken over from the run 17"
    assert task_times(run[2:]) == []
