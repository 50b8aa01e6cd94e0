"""Histograms of oriented gradients by scikit-image, then a support vector machine.

The recipe of many tutorials. Nothing bounds its time: the benchmark kills it at the limit.
"""

from __future__ import annotations

import numpy as np
from exchange import Task
from skimage.feature import hog
from sklearn.svm import SVC


def main() -> None:
    """Fit and answer."""
    task = Task.from_command_line()
    # A larger cache than the default changes the speed alone.
    svc = SVC(C=10, kernel="rbf", gamma="scale", cache_size=2000)
    svc.fit(_gradients(task.X_train), task.y_train)
    task.answer(lambda X: svc.predict(_gradients(X)), "scikit-learn")


def _gradients(X: np.ndarray) -> np.ndarray:
    """Columns of shape (n, 1296): 6 x 6 blocks of 2 x 2 cells of 9 orientations."""
    return np.array(
        [
            hog(image, orientations=9, pixels_per_cell=(4, 4), cells_per_block=(2, 2))
            for image in X.reshape(-1, 28, 28)
        ],
        dtype=np.float32,
    )


if __name__ == "__main__":
    main()
