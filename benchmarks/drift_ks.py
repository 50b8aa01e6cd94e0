"""Kolmogorov-Smirnov distances of many small samples from one reference, by ranks taken once.

The benchmarks of drift draw tens of thousands of batches from the same pools. The place of every
pool row among the reference's is therefore looked up once; a batch then only sorts small integers.
`check` compares with what the library itself does.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import kstwo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fmnist_lib.drift.two_sample.ks import ks_per_feature


def places(reference, values):
    """Reference rows below, and at or below, every value: int16, each (n_columns, n_values)."""
    ordered = np.sort(reference, axis=0).T
    below = [np.searchsorted(c, v, "left") for c, v in zip(ordered, values.T, strict=True)]
    upto = [np.searchsorted(c, v, "right") for c, v in zip(ordered, values.T, strict=True)]
    return np.array(below, dtype=np.int16), np.array(upto, dtype=np.int16)


def distances(below, upto, n_reference):
    """Largest distance of the cumulative distributions per column, for the rows of one batch."""
    below, upto = np.sort(below, axis=1, kind="stable"), np.sort(upto, axis=1, kind="stable")
    n = below.shape[1]
    # Equal in both numbers: no reference row lies between, and they count as one value.
    new = np.ones(below.shape, dtype=bool)
    new[:, 1:] = (below[:, 1:] != below[:, :-1]) | (upto[:, 1:] != upto[:, :-1])
    last = np.ones(below.shape, dtype=bool)
    last[:, :-1] = new[:, 1:]
    steps = np.arange(n) / n
    before = np.abs(below / n_reference - steps) * new
    after = np.abs(upto / n_reference - (steps + 1 / n)) * last
    return np.maximum(before.max(axis=1), after.max(axis=1))


@cache
def critical(n_columns, n_reference, n, alpha=0.05):
    """Distance from which the Bonferroni-corrected asymptotic p-value is at most `alpha`."""
    effective = np.round(n_reference * n / (n_reference + n))
    return kstwo.isf(alpha / n_columns, effective)


def pixel_distances(reference_counts, images, n_reference):
    """The same for uint8 pixels, by counting their 256 levels; `images` of shape (n, 784)."""
    now = np.cumsum(level_counts(images), axis=1) / len(images)
    return np.abs(np.cumsum(reference_counts, axis=1) / n_reference - now).max(axis=1)


def level_counts(images):
    """Count the levels of every pixel: shape (784, 256)."""
    cells = images + 256 * np.arange(images.shape[1])
    return np.bincount(cells.ravel(), minlength=256 * images.shape[1]).reshape(-1, 256)


def check(reference, batch):
    """Raise unless distances and decisions are the library's."""
    expected = ks_per_feature(reference, batch)
    below, upto = places(reference, batch)
    found = distances(below, upto, len(reference))
    np.testing.assert_allclose(found, expected.statistic, atol=1e-12)
    limit = critical(found.size, len(reference), len(batch))
    np.testing.assert_array_equal(found >= limit, expected.rejected)
