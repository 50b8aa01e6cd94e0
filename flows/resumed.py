"""The search of a resumed run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmnist_lib.search.execution.budget import Budget


def resumed_budget(budget: Budget, run: str, origin: str) -> Budget:
    """Return the budget of a resumed run, which keeps no time for candidates that finished before.

    Parameters
    ----------
    budget : Budget
        As planned by the original run.
    run, origin : str
        Pathspecs of the resumed run, and of the run it resumes.
    """
    from metaflow import Run

    resumed_at = Run(run, _namespace_check=False).created_at.timestamp()
    steps = {step.id: step for step in Run(origin, _namespace_check=False)}
    tasks = steps.get("search", ())
    return budget.resumed(
        resumed_at, {task["candidate"].data for task in tasks if "result" in task}
    )
