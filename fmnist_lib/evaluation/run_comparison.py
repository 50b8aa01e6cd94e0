"""Compare two training runs: what changed, and what it did to the predictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.statistics import (
    independent_difference,
    mcnemar,
    paired_difference,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from fmnist_lib.common.statistics import Estimate, PairedComparison


@dataclass(frozen=True, eq=False)
class RunResults:
    """Results of a training run, as a comparison reads them from a run or from its bundle.

    Attributes
    ----------
    name : str
    settings : mapping
        The resolved configuration.
    data : mapping of str to str
        Fingerprint of every split.
    code : mapping of str to str
        Git commit, Python and packages; what a source does not know is left out.
    leaderboard : DataFrame
        See `fmnist_lib.evaluation.leaderboard.leaderboard`.
    labels : ndarray of shape (n_test,)
    predictions : ndarray of shape (n_test,)
        Classes that the winner predicts.
    images : ndarray of uint8, shape (n_test, 28, 28), or None
        None if the bundle only points to its data.
    metrics : mapping of str to float
        Of the winner on the test images.
    """

    name: str
    settings: Mapping[str, Any]
    data: Mapping[str, str]
    code: Mapping[str, str]
    leaderboard: pd.DataFrame
    labels: np.ndarray
    predictions: np.ndarray
    images: np.ndarray | None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def winner(self) -> pd.Series[Any]:
        """The winner's row of the leaderboard; older bundles call its status "champion"."""
        return self.leaderboard.loc[self.leaderboard["status"].isin(["winner", "champion"])].iloc[0]

    @property
    def correct(self) -> np.ndarray:
        """True for every test image that is predicted correctly."""
        return np.asarray(self.predictions == self.labels)

    def accuracy(self, confidence: float = 0.95) -> Estimate:
        """Return the test accuracy with its Wilson interval."""
        return wilson(int(self.correct.sum()), len(self.labels), confidence)


@dataclass(frozen=True)
class Change:
    """A value that differs between two runs.

    Attributes
    ----------
    area : {"data", "configuration", "code"}
    name : str
    before, after : str
        Empty if there is none.
    """

    area: str
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class ClassDifference:
    """Difference of the recall of one class.

    Attributes
    ----------
    name : str
    before, after : float
    difference : Estimate
    """

    name: str
    before: float
    after: float
    difference: Estimate


@dataclass(frozen=True)
class Flip:
    """A test image that only one of the two runs predicts correctly.

    Attributes
    ----------
    row : int
        Number of the test image, from 0.
    label, before, after : int
        True class, and what the two runs predict.
    """

    row: int
    label: int
    before: int
    after: int


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Two runs compared; the second minus the first in all differences.

    Attributes
    ----------
    first, second : RunResults
    changes : tuple of Change
        Data first, then configuration, then code.
    before, after : Estimate
        Test accuracies.
    difference : Estimate
        Paired if both were tested on the same images.
    paired : PairedComparison or None
        McNemar's test, the second run first; None if the test images differ.
    classes : tuple of ClassDifference
    flips : tuple of Flip
        By confusion, the most frequent ones first; empty if the test images differ.
    """

    first: RunResults
    second: RunResults
    changes: tuple[Change, ...]
    before: Estimate
    after: Estimate
    difference: Estimate
    paired: PairedComparison | None
    classes: tuple[ClassDifference, ...]
    flips: tuple[Flip, ...]

    @property
    def same_predictions(self) -> bool:
        """True if both runs were tested on the same images and predict the same."""
        return self.paired is not None and bool(
            (self.first.predictions == self.second.predictions).all()
        )


def compare_runs(first: RunResults, second: RunResults, confidence: float = 0.95) -> RunComparison:
    """Compare two runs.

    Parameters
    ----------
    first, second : RunResults
        The earlier and the later run, or the champion and a challenger.
    confidence : float in (0, 1), default=0.95
        Of all intervals; those of the classes hold together (Bonferroni).
    """
    # Without a fingerprint nothing says that the images are the same.
    tested_on = first.data.get("test"), second.data.get("test")
    same_images = tested_on[0] is not None and tested_on[0] == tested_on[1]
    before, after = (run.accuracy(confidence) for run in (first, second))
    paired = mcnemar(second.correct, first.correct) if same_images else None
    return RunComparison(
        first=first,
        second=second,
        changes=tuple(_changes(first, second)),
        before=before,
        after=after,
        difference=(
            paired_difference(second.correct, first.correct, confidence)
            if same_images
            else independent_difference(after, before)
        ),
        paired=paired,
        classes=tuple(_classes(first, second, confidence, same_images=same_images)),
        flips=_flips(first, second) if same_images else (),
    )


def _changes(first: RunResults, second: RunResults) -> Iterator[Change]:
    for area, before, after in (
        ("data", first.data, second.data),
        ("configuration", _flat(first.settings), _flat(second.settings)),
        ("code", first.code, second.code),
    ):
        names = list(dict.fromkeys([*before, *after]))
        # A candidate that only one run has is one change, not one for each of its settings.
        alone = tuple(
            f"{name}."
            for name in names
            if name.endswith("]") and (name in before) != (name in after)
        )
        for name in names:
            values = str(before.get(name, "")), str(after.get(name, ""))
            if values[0] != values[1] and not name.startswith(alone):
                yield Change(area, name, *values)


def _flat(settings: Any, name: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names; items of a list by their id or number."""
    found: dict[str, Any] = {}
    if isinstance(settings, dict):
        for key, value in settings.items():
            found |= _flat(value, f"{name}.{key}" if name else key)
    elif isinstance(settings, list) and any(isinstance(item, dict) for item in settings):
        for number, item in enumerate(settings):
            place = f"{name}[{item.get('id', number)}]"
            found |= {place: "configured"} | _flat(item, place)
    else:
        found[name] = settings
    return found


def _classes(
    first: RunResults, second: RunResults, confidence: float, *, same_images: bool
) -> Iterator[ClassDifference]:
    confidence = 1 - (1 - confidence) / N_CLASSES
    for label, name in enumerate(CLASS_NAMES):
        before, after = (run.correct[run.labels == label] for run in (first, second))
        if not len(before) or not len(after):
            continue
        if same_images:
            difference = paired_difference(after, before, confidence)
        else:
            difference = independent_difference(
                *(wilson(int(one.sum()), len(one), confidence) for one in (after, before))
            )
        yield ClassDifference(name, float(before.mean()), float(after.mean()), difference)


def _flips(first: RunResults, second: RunResults) -> tuple[Flip, ...]:
    rows = np.flatnonzero(first.correct != second.correct)
    flips = [
        Flip(
            int(row),
            int(first.labels[row]),
            int(first.predictions[row]),
            int(second.predictions[row]),
        )
        for row in rows
    ]

    def kind(flip: Flip) -> tuple[int, int, int]:
        return flip.label, flip.before, flip.after

    frequency = Counter(map(kind, flips))
    return tuple(sorted(flips, key=lambda flip: (-frequency[kind(flip)], kind(flip), flip.row)))
