"""Compare calibrations of the winner by the log loss of training images, out of fold.

python benchmarks/calibration.py [RUN]

RUN is a training run whose step `cross_fit` has finished; without it the latest successful one.
Each method is fitted on the out-of-fold probabilities of some images of four folds, and scored on
the fifth. No test image is used. Prints a table for several numbers of images.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from finished_run import finished_run
from scipy.special import softmax
from sklearn.metrics import log_loss

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fmnist_lib.common import calibration
from fmnist_lib.common.out_of_fold import OutOfFold  # noqa: TC001 (an annotation)

N_IMAGES = (500, 3000, 10_000)
PRECISIONS = (2.0, 20.0, 200.0)

Calibrate = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Print the table."""
    run = finished_run(__doc__)
    out_of_fold = run["cross_fit"].task.data.out_of_fold
    scores = np.log(np.maximum(out_of_fold.probabilities, np.float32(1e-30)))
    print("| images | method | log loss | accuracy | calibration error |\n|---|---|---|---|---|")
    for n_images in N_IMAGES:
        for name, fit in _methods().items():
            loss, accuracy, error = _measure(fit, scores, out_of_fold, n_images)
            print(f"| {n_images:,} | {name} | {loss:.4f} | {accuracy:.2%} | {error:.4f} |")


def _methods() -> dict[str, Callable[[np.ndarray, np.ndarray], Calibrate]]:
    methods: dict[str, Callable[[np.ndarray, np.ndarray], Calibrate]] = {
        "temperature": _temperature
    }
    for precision in PRECISIONS:
        methods[f"matrix scaling, precision {precision:g}"] = _matrix(precision)
    return methods


def _temperature(scores: np.ndarray, labels: np.ndarray) -> Calibrate:
    temperature = calibration.fit_temperature(scores, labels)
    return lambda others: softmax(others / temperature, axis=1)


def _matrix(precision: float) -> Callable[[np.ndarray, np.ndarray], Calibrate]:
    def fit(scores: np.ndarray, labels: np.ndarray) -> Calibrate:
        matrix = calibration.fit_matrix_scaling(scores, labels, precision)
        return lambda others: softmax(others @ matrix[:-1] + matrix[-1], axis=1)

    return fit


def _measure(
    fit: Callable[[np.ndarray, np.ndarray], Calibrate],
    scores: np.ndarray,
    out_of_fold: OutOfFold,
    n_images: int,
) -> np.ndarray:
    """Return log loss, accuracy and calibration error: means over the folds."""
    labels, fold, measured = out_of_fold.labels, out_of_fold.fold, []
    for number in range(out_of_fold.n_folds):
        held_out = fold == number
        random = np.random.default_rng(number)
        rows = random.choice(np.flatnonzero(~held_out), n_images, replace=False)
        found = fit(scores[rows], labels[rows])(scores[held_out])
        correct = found.argmax(axis=1) == labels[held_out]
        error = calibration.expected_calibration_error(found.max(axis=1), correct)
        measured.append((log_loss(labels[held_out], found), correct.mean(), error))
    return np.mean(measured, axis=0)


if __name__ == "__main__":
    main()
