"""Conformal prediction sets: all classes that are probable enough, per class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Largest rounding error of a probability in float32.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class ConformalCalibration:
    """Calibration of prediction sets at any level, for each class from images of that class.

    A set has every class whose probability is at least the class's threshold. With `n` calibration
    images of a class, its threshold at a level is the probability that ``ceil((n + 1) * level)`` of
    them reach. If that is more than `n`, the level is out of reach: the class is in every set.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n,)
        Of the label of every calibration image; by class, and within a class ascending.
    counts : ndarray of int64, shape (10,)
        Calibration images per class.

    References
    ----------
    Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels",
    JASA 2019 (the score and its smallest sets); Vovk, "Conditional Validity of Inductive Conformal
    Predictors", ACML 2012 (thresholds per class).
    """

    probabilities: NDArray[np.float32]
    counts: NDArray[np.int64]

    def thresholds(self, level: float) -> NDArray[np.float32]:
        """Lowest probability with which each class is in a set, shape (10,); 0 if out of reach.

        Parameters
        ----------
        level : float in (0, 1)
            Share of the images of a class whose set should have it.

        Raises
        ------
        DataError
            The level is not within (0, 1).
        """
        ranks = self._ranks(level)
        ends = np.cumsum(self.counts)
        return np.array(
            [
                0 if rank > count else self.probabilities[end - rank]
                for rank, count, end in zip(ranks, self.counts, ends, strict=True)
            ],
            dtype=np.float32,
        )

    def out_of_reach(self, level: float) -> tuple[int, ...]:
        """Classes with too few calibration images for a level: they are in every set."""
        ranks = self._ranks(level)
        return tuple(int(label) for label in np.flatnonzero(ranks > self.counts))

    def sets(self, probabilities: NDArray[np.floating], level: float) -> NDArray[np.bool_]:
        """Prediction set of every image, shape (n, 10): True where it has the class.

        Parameters
        ----------
        probabilities : ndarray of float, shape (n, 10)
        level : float in (0, 1)
        """
        return np.asarray(probabilities >= self.thresholds(level) - np.float32(_ROUNDING))

    def describe_out_of_reach(self, level: float) -> str | None:
        """Return the message on classes that are in every set at a level; None without any."""
        labels = self.out_of_reach(level)
        if not labels:
            return None
        names = short_list(CLASS_NAMES[label] for label in labels)
        needed = math.ceil(round(level / (1 - level), 6))
        return (
            f"prediction sets at level {level:g}: expected at least {needed:,} calibration images "
            f"per class, got fewer of {names}. Every set has these classes; ask for a lower level "
            "to get smaller sets."
        )

    def _ranks(self, level: float) -> NDArray[np.int64]:
        if not 0 < level < 1:
            raise DataError(
                f"level of the prediction sets: expected a number between 0 and 1, such as 0.95, "
                f"got {level}."
            )
        # Rounded, because (99 + 1) * 0.07 is above 7.
        ranks = np.ceil(np.round((self.counts + 1) * level, 6)).astype(np.int64)
        return np.maximum(ranks, 1)


def sorted_by_class(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> ConformalCalibration:
    """Return the calibration from probabilities of images that the model was not fitted on.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, 10)
    labels : ndarray of int, shape (n,)
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float32)
    # Normalising in float32 may give a little more than 1.
    own = np.clip(own, 0, 1)
    return ConformalCalibration(
        probabilities=own[np.lexsort((own, labels))],
        counts=np.bincount(labels, minlength=N_CLASSES).astype(np.int64),
    )
