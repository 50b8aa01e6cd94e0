"""Other mixes of classes: some rows are left out, the images stay as they are.

Each takes classes (n,), a severity of which 0 leaves all rows in, and a random generator, and
returns the numbers of the rows that stay, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.labels import N_CLASSES

if TYPE_CHECKING:
    Rng = np.random.Generator

#: The class that is knocked out, or stays alone.
CHOSEN = 0
#: Concentration of the Dirichlet distribution of class shares: 1 makes all mixes equally likely.
_CONCENTRATION = 1.0


def knock_out(classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Leave out a random share `severity` of one class."""
    return _without(np.flatnonzero(classes == CHOSEN), len(classes), severity, rng)


def only_one_class(classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Leave out a random share `severity` of all other classes."""
    return _without(np.flatnonzero(classes != CHOSEN), len(classes), severity, rng)


def label_shift(classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Thin classes out to random shares (Dirichlet), a part `severity` of the way there."""
    present = np.bincount(classes, minlength=N_CLASSES) / len(classes)
    wanted = (1 - severity) * present + severity * rng.dirichlet([_CONCENTRATION] * N_CLASSES)
    ratio = np.divide(wanted, present, out=np.zeros(N_CLASSES), where=present > 0)
    return np.flatnonzero(rng.random(len(classes)) < (ratio / ratio.max())[classes])


def _without(rows: np.ndarray, n: int, share: float, rng: Rng) -> np.ndarray:
    left_out = rng.permutation(rows)[: round(share * len(rows))]
    return np.setdiff1d(np.arange(n), left_out)
