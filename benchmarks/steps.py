"""Seconds of every step of a run, and of those outside the budget.

python benchmarks/steps.py [RUN_ID]

Reads a finished run through the Client API; without a run id the latest successful one. A step of
several tasks counts from the start of its first task to the end of its last.
"""

from __future__ import annotations

import sys

from metaflow import Flow, Run, namespace

#: Steps that the budget (`--minutes`) covers; all others are fixed costs.
BUDGETED = ("prepare", "search", "select")


def main() -> None:
    """Print one line a step, then the bar."""
    namespace(None)
    run = (
        Run(f"FashionMnistTrain/{sys.argv[1]}")
        if len(sys.argv) > 1
        else Flow("FashionMnistTrain").latest_successful_run
    )
    every_task = [task for step in run for task in step]
    first = min(task.created_at for task in every_task)
    wall = (max(task.finished_at for task in every_task) - first).total_seconds()
    fixed = 0.0
    print(f"run {run.id}\n\n| step | tasks | seconds |\n|---|---|---|")
    for step in reversed(list(run)):
        tasks = list(step)
        start = min(task.created_at for task in tasks)
        end = max(task.finished_at for task in tasks)
        seconds = (end - start).total_seconds()
        if step.id not in BUDGETED:
            fixed += seconds
        print(f"| {step.id} | {len(tasks)} | {seconds:.1f} |")
    budget = 60 * run["start"].task.data.resolved_config["search"]["minutes"]
    print(
        f"\nwall {wall:.0f} s; budget {budget:.0f} s + fixed steps {fixed:.0f} s "
        f"(explain and drift run side by side); ratio {wall / (budget + fixed):.3f}"
    )


if __name__ == "__main__":
    main()
