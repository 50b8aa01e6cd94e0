"""Wall seconds of every step of a training run, of its search and refit, and of everything else.

python benchmarks/steps.py [RUN_ID]

Reads a finished run through the Client API; without an id the latest successful one. Steps run side
by side, so that their seconds add up to more than the wall time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from finished_run import finished_run

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cards.client.task_times import BUDGETED, task_times, wall_by_step


def main() -> None:
    """Print one line per step, then the totals."""
    run = finished_run(__doc__)
    times = task_times(run)
    # As on the card of the run: to the end of the last task of the budget, gaps included.
    budgeted = [one for one in times if one.step in BUDGETED]
    wall, search = (
        max(one.start + one.seconds for one in tasks) - tasks[0].start
        for tasks in (times, budgeted)
    )
    print(f"run {run.id}\n\n| step | seconds |\n|---|---|")
    for step, seconds in wall_by_step(times).items():
        print(f"| {step} | {seconds:.1f} |")
    print(f"\nwall {wall:.0f} s: search and refit {search:.0f} s, all else {wall - search:.0f} s")


if __name__ == "__main__":
    main()
