"""TPOT's classifier with its defaults."""

from __future__ import annotations

from exchange import Task
from tpot import TPOTClassifier


def main() -> None:
    """Evolve within the time limit and answer."""
    task = Task.from_command_line()
    tpot = TPOTClassifier(max_time_mins=task.seconds_left / 60, n_jobs=task.cores)
    tpot.fit(task.X_train, task.y_train)
    task.answer(tpot.predict, "tpot")


# TPOT's workers are processes that import this file again.
if __name__ == "__main__":
    main()
