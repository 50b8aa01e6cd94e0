"""AutoGluon TabularPredictor with the preset named on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pandas as pd
from autogluon.tabular import TabularPredictor
from exchange import Task

if TYPE_CHECKING:
    import numpy as np


def main() -> None:
    """Fit within the time limit and answer."""
    task = Task.from_command_line()
    train = _frame(task.X_train).assign(label=task.y_train)
    predictor = TabularPredictor(label="label", path=str(task.directory / "models")).fit(
        train,
        presets=sys.argv[4],
        time_limit=task.seconds_left,
        num_cpus=task.cores,
        num_gpus=0,
    )
    task.answer(lambda X: predictor.predict(_frame(X)).to_numpy(), "autogluon.tabular")


def _frame(X: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"column_{number}" for number in range(X.shape[1])])


if __name__ == "__main__":
    main()
