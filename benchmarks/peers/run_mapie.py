"""MAPIE's prediction sets of given probabilities: run_mapie.py INPUTS.npz OUTPUTS.npz.

INPUTS has ``probabilities``, ``labels``, ``test_probabilities`` and ``levels``; OUTPUTS gets, per
method, bool of shape (n_levels, n_test, 10).
"""

from __future__ import annotations

import sys
from importlib.metadata import version

import numpy as np
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

SEED = 0
#: Score, and what `predict_set` is given.
METHODS = {
    "raps": ("raps", {}),
    "raps, randomised": ("raps", {"include_last_label": "randomized"}),
    "lac": ("lac", {}),
}


class Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose inputs are the probabilities."""

    classes_ = np.arange(10)

    def predict_proba(self, X):
        """Return the inputs."""
        return X

    def predict(self, X):
        """Return the most probable class."""
        return X.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True


def main() -> None:
    """Answer with the sets of every method."""
    with np.load(sys.argv[1]) as content:
        data = dict(content)
    found = {}
    for name, (score, parameters) in METHODS.items():
        mapie = SplitConformalClassifier(
            Given(), data["levels"].tolist(), score, prefit=True, random_state=SEED
        )
        mapie.conformalize(_normalised(data["probabilities"]), data["labels"].astype(int))
        _, sets = mapie.predict_set(_normalised(data["test_probabilities"]), parameters)
        found[f"MAPIE {version('mapie')} {name}"] = np.moveaxis(sets, 2, 0)
    np.savez(sys.argv[2], **found)


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """Return float64 rows that add up to 1, as MAPIE checks."""
    exact = probabilities.astype(np.float64)
    return exact / exact.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    main()
