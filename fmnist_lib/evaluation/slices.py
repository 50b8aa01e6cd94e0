"""Accuracy of the winner by slice of the test images, and the slices where it fails.

Reads the test probabilities that the run already has: no test image is predicted again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES, N_PIXELS
from fmnist_lib.common.statistics import Estimate, wilson
from fmnist_lib.evaluation.tree_rules import tree_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from fmnist_lib.config.stress import StressConfig

#: Adjusted p-value below which a slice counts as worse than the rest.
ALPHA = 0.05


@dataclass(frozen=True)
class Slice:
    """Accuracy on a part of the test images.

    Attributes
    ----------
    kind : str
        "class", "ink", "size", "distance" or "found" (by the decision tree).
    name : str
        The rule in words.
    n_images : int
        Images that it was measured on: of a found slice those of the second half.
    accuracy : Estimate
        Wilson interval, of this slice alone.
    p_value, adjusted_p_value : float
        Fisher's exact test, one-sided: the accuracy is lower than on the other images. Adjusted
        by Holm's method for all slices.
    """

    kind: str
    name: str
    n_images: int
    accuracy: Estimate
    p_value: float
    adjusted_p_value: float = 1.0

    @property
    def is_worse(self) -> bool:
        """True if the accuracy is significantly lower than on the other images."""
        return self.adjusted_p_value < ALPHA


@dataclass(frozen=True)
class Slices:
    """Accuracy by slice.

    Attributes
    ----------
    n_images, n_errors : int
        Of all test images.
    accuracy : Estimate
    slices : tuple of Slice
        Classes, bins and found slices, in this order.
    worst : Slice or None
        Lowest accuracy of the slices that are significantly worse; None if none is. Its interval
        is simultaneous for all slices (Bonferroni), as it was chosen among them.
    missing_classes : tuple of str
    n_small : int
        Slices with too few images to be tested.
    """

    n_images: int
    n_errors: int
    accuracy: Estimate
    slices: tuple[Slice, ...]
    worst: Slice | None
    missing_classes: tuple[str, ...]
    n_small: int


def measure_slices(
    labels: np.ndarray,
    probabilities: np.ndarray,
    features: pd.DataFrame,
    distance: np.ndarray,
    config: StressConfig,
    *,
    confidence: float,
    seed: int,
) -> Slices:
    """Measure the accuracy by class, ink, size and distance, and in slices found by a tree.

    The tree is fitted to the errors on one random half of the images; the slices that it finds
    are measured on the other half.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of shape (n, 10)
    features : DataFrame of shape (n, n_features)
        As `fmnist_lib.features.named.named_features` gives them.
    distance : ndarray of shape (n,)
        To the nearest training image.
    config : StressConfig
    confidence : float in (0, 1)
    seed : int
        Draws the halves.

    References
    ----------
    Chung, Kraska, Polyzotis, Tae and Whang, "Slice Finder: Automated Data Slicing for Model
    Validation", ICDE 2019. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    correct = probabilities.argmax(axis=1) == labels
    everything = np.ones(len(labels), dtype=bool)
    parts = [
        (kind, name, chosen, everything)
        for kind, name, chosen in (
            *_classes(labels),
            *_bins("ink", "lit pixels", 1 - features["blank_share"], config.bins),
            *_bins("size", "box", _box_share(features), config.bins),
            *_bins("distance", "distance to the training images", distance, config.bins),
        )
    ]
    first = np.zeros(len(labels), dtype=bool)
    first[np.random.default_rng(seed).permutation(len(labels))[: len(labels) // 2]] = True
    rules = tree_rules(features[first], ~correct[first], config.tree_depth, config.min_slice)
    parts += [("found", rule.text, rule.covers(features), ~first) for rule in rules]
    tested = [part for part in parts if (part[2] & part[3]).sum() >= config.min_slice]
    slices = _adjusted([_measure(*part, correct, confidence) for part in tested])
    return Slices(
        n_images=len(labels),
        n_errors=int((~correct).sum()),
        accuracy=wilson(int(correct.sum()), len(labels), confidence),
        slices=slices,
        worst=_worst(slices, confidence),
        missing_classes=tuple(
            name for label, name in enumerate(CLASS_NAMES) if not (labels == label).any()
        ),
        n_small=len(parts) - len(tested),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's step-down method; valid under any dependence.

    Examples
    --------
    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def _classes(labels: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    for label, name in enumerate(CLASS_NAMES):
        if (labels == label).any():
            yield "class", name, labels == label


def _box_share(features: pd.DataFrame) -> np.ndarray:
    return (features["box_width"] * features["box_height"]).to_numpy() / N_PIXELS


def _bins(
    kind: str, words: str, values: np.ndarray | pd.Series[float], n_bins: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield quantile bins; none of values that are all equal."""
    values = np.asarray(values, dtype=np.float64)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    if len(edges) < 3:  # noqa: PLR2004 (one bin would be all images)
        return
    number = np.searchsorted(edges[1:-1], values, side="right")
    for position, (low, high) in enumerate(pairwise(edges)):
        if kind == "distance":
            ends = f"{low:.2f} to {high:.2f}"
        else:
            ends = f"{percent(low, 0)} to {percent(high, 0)} of the image"
        yield kind, f"{words} {ends}", number == position


def _measure(  # noqa: PLR0917 (the parts of a slice, and what it is measured by)
    kind: str,
    name: str,
    chosen: np.ndarray,
    measured: np.ndarray,
    correct: np.ndarray,
    confidence: float,
) -> Slice:
    from scipy.stats import hypergeom

    inside, n_correct = chosen & measured, int(correct[measured].sum())
    n, hits = int(inside.sum()), int(correct[inside].sum())
    # Fisher's exact test: the errors of the slice are drawn without replacement.
    p_value = float(hypergeom(int(measured.sum()), n_correct, n).cdf(hits))
    return Slice(kind, name, n, wilson(hits, n, confidence), p_value)


def _adjusted(slices: Sequence[Slice]) -> tuple[Slice, ...]:
    adjusted = holm([one.p_value for one in slices])
    return tuple(
        replace(one, adjusted_p_value=value) for one, value in zip(slices, adjusted, strict=True)
    )


def _worst(slices: Sequence[Slice], confidence: float) -> Slice | None:
    worse = [one for one in slices if one.is_worse]
    if not worse:
        return None
    worst = min(worse, key=lambda one: one.accuracy.value)
    hits = round(worst.accuracy.value * worst.n_images)
    simultaneous = wilson(hits, worst.n_images, 1 - (1 - confidence) / len(slices))
    return replace(worst, accuracy=replace(simultaneous, confidence=confidence))
