"""FLAML AutoML with its defaults, except that it maximises accuracy."""

from __future__ import annotations

from exchange import Task
from flaml import AutoML


def main() -> None:
    """Fit within the time budget and answer."""
    task = Task.from_command_line()
    automl = AutoML()
    automl.fit(
        task.X_train,
        task.y_train,
        task="classification",
        metric="accuracy",
        time_budget=task.seconds_left,
        n_jobs=task.cores,
    )
    task.answer(automl.predict, "flaml")


if __name__ == "__main__":
    main()
