"""Shifts of the class distribution: rows are dropped, images are unchanged.

Each takes classes (n,), a severity (0 keeps all rows) and a random generator, and returns the
indices of the rows kept, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_CLASSES

if TYPE_CHECKING:
    Rng = np.random.Generator

#: The class that is knocked out, or the only one kept.
CHOSEN = 0
#: Concentration of the Dirichlet distribution of class shares: 1 makes all mixes equally likely.
_CONCENTRATION = 1.0


def knock_out(classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Drop a random share `severity` of one class."""
    return _without(np.flatnonzero(classes == CHOSEN), len(classes), severity, rng)


def only_one_class(classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Drop a random share `severity` of all other classes."""
    return _without(np.flatnonzero(classes != CHOSEN), len(classes), severity, rng)


def label_shift(classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Subsample classes to Dirichlet shares, mixed with the present ones by `severity`."""
    present = np.bincount(classes, minlength=N_CLASSES) / len(classes)
    target = (1 - severity) * present + severity * rng.dirichlet([_CONCENTRATION] * N_CLASSES)
    ratio = np.divide(target, present, out=np.zeros(N_CLASSES), where=present > 0)
    return np.flatnonzero(rng.random(len(classes)) < (ratio / ratio.max())[classes])


def _without(rows: np.ndarray, n: int, share: float, rng: Rng) -> np.ndarray:
    dropped = rng.permutation(rows)[: round(share * len(rows))]
    return np.setdiff1d(np.arange(n), dropped)
