"""Files exchanged by the benchmark and a peer's process; needs only NumPy.

The benchmark starts ``run_NAME.py DIRECTORY START MINUTES``, with the columns in
DIRECTORY/task.npz. START is the reading of the monotonic clock, which all processes share, from
which the minutes count. The peer leaves its answer in DIRECTORY/answer.npz, as often as it has a
better one.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Task:
    """Columns to learn from, columns to predict, and the time there is.

    Attributes
    ----------
    directory : Path
        The peer's own, for anything it writes.
    start : float
        Reading of `time.monotonic` when the time began.
    minutes : float
        Wall time from there to the fitted model: libraries are imported in it, and columns made.
    X_train, X_test : ndarray of uint8 or float32, shape (n, n_columns)
        Raw pixels row by row, or columns made of them.
    y_train : ndarray of uint8, shape (n_train,)
    """

    directory: Path
    start: float
    minutes: float
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray

    @classmethod
    def from_command_line(cls) -> Task:
        """Read what the benchmark wrote."""
        directory, start, minutes = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
        with np.load(directory / "task.npz") as arrays:
            return cls(directory, start, minutes, **arrays)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.start

    @property
    def seconds_left(self) -> float:
        """Wall time left to fit; negative when it is over."""
        return 60 * self.minutes - self.seconds

    @property
    def cores(self) -> int:
        """Processors this process may run on."""
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def answer(self, predict: Callable[[np.ndarray], np.ndarray], library: str) -> None:
        """Predict the test rows with a model fitted by now, and hand the labels over.

        Parameters
        ----------
        predict : callable
            Takes `X_test`, gives labels of shape (n_test,).
        library : str
            Name of the distribution whose version is reported.
        """
        fit_seconds = self.seconds
        labels = np.asarray(predict(self.X_test)).ravel().astype(np.uint8)
        partial = self.directory / "partial.npz"
        np.savez(
            partial,
            labels=labels,
            fit_seconds=fit_seconds,
            predict_seconds=self.seconds - fit_seconds,
            version=f"{library} {version(library)}",
        )
        # A peer may be killed at any moment: the benchmark finds a whole answer or none.
        partial.replace(self.directory / "answer.npz")
