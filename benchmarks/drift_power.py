"""Detection rate of every two-sample test for every shift, by the number of images per batch.

python benchmarks/drift_power.py [--data DIRECTORY] [--splits N] [--repeats N] [--every]

Champion, held-out images and shifts are those of drift_pool.py. The 20,000 held-out images are
divided anew for every split into a reference of 10,000 and a stock of 10,000, from which batches
are drawn; --splits times --repeats batches for each cell of the table (default 2 x 50). Where a
shift leaves fewer images than a batch needs (one class alone: about 1,000), it gets all there are.
The shift "none" is the null, where every alarm is false: reference and batch are drawn anew each
time, 1,000 times, for the tests that decide, and by the splits for the others.

Smaller batches are the first images of the largest. --every adds KS of pixels (up to 1,000
images), principal components and random projection, which take three times as long.

Writes fmnist_lib/drift/power.csv (rates with 95 % Wilson intervals), which the monitor's card
draws from, and prints the mean over the paper's ten shifts. Fails where a bar is missed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from drift_ks import (
    check,
    critical,
    distances,
    level_counts,
    pixel_distances,
    places,
)
from drift_pool import CLEAN, SEED, held_out, pool, pool_name
from sklearn.decomposition import PCA
from sklearn.random_projection import SparseRandomProjection
from tables import PAPER, markdown, power

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.drift.power import POWER_FILE
from fmnist_lib.drift.shifts.catalogue import SHIFTS
from fmnist_lib.drift.two_sample.class_counts import homogeneity

SIZES = (10, 20, 50, 100, 200, 500, 1000, 5000)
FRACTIONS = (0.1, 0.5, 1.0)
ALPHA = 0.05
N_OUTPUTS, N_REFERENCE = 10, 10_000
NULL_REPEATS = 1000
DECISIVE = ("ks-default", "ks-outputs", "ks-features", "chi2-classes")
MOST_PIXELS = 1000
BARS = {10: 0.19, 20: 0.28, 50: 0.47, 100: 0.47, 200: 0.51, 500: 0.65, 1000: 0.80, 5000: 0.88}
STRONG = ("image_medium", "image_large", "noise_large")
STRONG_FRACTIONS, STRONG_N, STRONG_BAR = (0.5, 1.0), 1000, 0.99


class Split:
    """A reference, and the ranks of the pools' rows in it.

    The views of the reference are prepared once; `pooled` prepares those of a pool.
    """

    def __init__(self, clean, seed, *, every):
        self.every = every
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(len(clean.batch))
        self.reference, self.stock = order[:N_REFERENCE], order[N_REFERENCE:]
        self.labels = clean.batch.labels
        self.maps, self.columns = {}, {}
        if every:
            self._project(_flat(clean.batch.images[self.reference]), seed)
        self.columns["ks-default"] = clean.columns[self.reference]
        self.counts = np.bincount(clean.batch.classes[self.reference], minlength=10)
        self.levels = level_counts(clean.batch.images[self.reference].reshape(-1, 784))
        check(self.columns["ks-default"], clean.columns[self.stock[:300]])

    def _project(self, flat, seed):
        size = DriftConfig().components
        self.maps["ks-pca"] = PCA(size, svd_solver="randomized", random_state=seed)
        self.maps["ks-projection"] = SparseRandomProjection(
            size, dense_output=True, random_state=seed
        )
        for name, one in self.maps.items():
            self.columns[name] = one.fit_transform(flat)

    def pooled(self, one):
        """Ranks, classes and pixels of the stock's rows in a pool."""
        images = one.batch.images[self.stock]
        columns = {name: m.transform(_flat(images)) for name, m in self.maps.items()}
        columns["ks-default"] = one.columns[self.stock]
        return {
            "ranks": {name: places(self.columns[name], now) for name, now in columns.items()},
            "classes": one.batch.classes[self.stock],
            "pixels": images.reshape(-1, 784),
        }

    def draw(self, shift, fraction, n):
        """Stock positions of a batch, and which of its images are changed."""
        found = SHIFTS.get(shift)
        rows = np.arange(len(self.stock))
        if found is not None and found.select is not None:
            rows = found.select(self.labels[self.stock], found.severity * fraction, self.rng)
        rows = self.rng.permutation(rows)[:n]
        # An image is shifted or not, by lot: a batch of ten may have none at all of a tenth.
        return rows, self.rng.random(len(rows)) < fraction


def main() -> None:
    """Measure, write the file, print the means."""
    options = _options()
    held = held_out(options.data)
    clean = pool(held)
    cells = Counter()
    _null(clean, cells)
    for number in range(options.splits):
        _split(held, clean, SEED + number, options, cells)
        print(f"split {number + 1} of {options.splits} done", flush=True)
    _write(cells, options.file)
    sys.exit(_report(options.file))


def _null(clean, cells):
    """Reference and batch drawn anew each time, from all held-out images."""
    rng = np.random.default_rng(SEED)
    ranks = [np.unique(column, return_inverse=True)[1] for column in clean.columns.T]
    classes = clean.batch.classes
    for _ in range(NULL_REPEATS):
        order = rng.permutation(len(clean.batch))
        reference, rows = order[:N_REFERENCE], order[N_REFERENCE:][: max(SIZES)]
        below, upto = _places_of(ranks, reference, rows)
        before = np.bincount(classes[reference], minlength=10)
        for n in SIZES:
            found = distances(below[:, :n], upto[:, :n], N_REFERENCE)
            counts = np.stack([before, np.bincount(classes[rows[:n]], minlength=10)])
            alarms = _decisive_views(found, n) | _classes_alarm(counts)
            _count(cells, "none", 0.0, n, alarms)


def _places_of(ranks, reference, rows):
    """`places` of pool rows, by counting the ranks of the reference in the pool."""
    below, upto = [], []
    for column in ranks:
        counted = np.cumsum(np.bincount(column[reference], minlength=column.max() + 1))
        counted = np.concatenate([[0], counted])
        below.append(counted[column[rows]])
        upto.append(counted[column[rows] + 1])
    return np.array(below, dtype=np.int16), np.array(upto, dtype=np.int16)


def _split(held, clean, seed, options, cells):
    split = Split(clean, seed, every=options.every)
    unchanged = split.pooled(clean)
    for name in dict.fromkeys(map(pool_name, SHIFTS)):
        changed = unchanged if name == CLEAN else split.pooled(pool(held, name))
        for shift in (shift for shift in SHIFTS if pool_name(shift) == name):
            for fraction in FRACTIONS:
                for _ in range(options.repeats):
                    _one(split, changed, unchanged, shift, fraction, cells)
        if name == CLEAN and options.every:
            for _ in range(options.repeats):
                _one(split, changed, unchanged, "none", 0.0, cells)


def _one(split, changed, unchanged, shift, fraction, cells):  # noqa: PLR0917 (a cell)
    """Draw the largest batch; the smaller ones are its first images."""
    rows, moved = split.draw(shift, fraction, max(SIZES))
    places_of = {}
    for view in split.columns:
        places_of[view] = [
            np.where(
                moved,
                changed["ranks"][view][side][:, rows],
                unchanged["ranks"][view][side][:, rows],
            )
            for side in (0, 1)
        ]
    classes = np.where(moved, changed["classes"][rows], unchanged["classes"][rows])
    for n in SIZES:
        size = min(n, len(rows))
        alarms = {}
        for view, (below, upto) in places_of.items():
            found = distances(below[:, :n], upto[:, :n], N_REFERENCE)
            if view == "ks-default":
                alarms |= _decisive_views(found, size)
            else:
                alarms[view] = found.max() >= critical(found.size, N_REFERENCE, size)
        counts = np.stack([split.counts, np.bincount(classes[:n], minlength=10)])
        alarms |= _classes_alarm(counts)
        if split.every and n <= MOST_PIXELS:
            alarms |= _pixels_alarm(split, changed, unchanged, rows[:n], moved[:n])
        if shift == "none":  # measured with a new reference each time
            alarms = {name: one for name, one in alarms.items() if name not in DECISIVE}
        _count(cells, shift, fraction, n, alarms)


def _decisive_views(found, n):
    views = {
        "ks-default": found,
        "ks-outputs": found[:N_OUTPUTS],
        "ks-features": found[N_OUTPUTS:],
    }
    return {name: one.max() >= critical(one.size, N_REFERENCE, n) for name, one in views.items()}


def _classes_alarm(counts):
    return {"chi2-classes": homogeneity(counts)[1] <= ALPHA}


def _pixels_alarm(split, changed, unchanged, rows, moved):
    pixels = np.where(moved[:, None], changed["pixels"][rows], unchanged["pixels"][rows])
    found = pixel_distances(split.levels, pixels, N_REFERENCE)
    return {"ks-pixels": found.max() >= critical(found.size, N_REFERENCE, len(rows))}


def _count(cells, shift, fraction, n, alarms):
    for method, alarm in alarms.items():
        cells[method, shift, fraction, n, "alarms"] += int(alarm)
        cells[method, shift, fraction, n, "repeats"] += 1


def _write(cells, path):
    keys = sorted({key[:4] for key in cells}, key=str)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = ["method", "shift", "fraction", "n", "alarms", "repeats", "rate", "low", "high"]
        writer.writerow(header)
        for method, shift, fraction, n in sorted(keys):
            alarms = cells[method, shift, fraction, n, "alarms"]
            repeats = cells[method, shift, fraction, n, "repeats"]
            rate = wilson(alarms, repeats)
            shown = [f"{value:.4f}" for value in (rate.value, rate.low, rate.high)]
            writer.writerow([method, shift, fraction, n, alarms, repeats, *shown])


def _report(path):
    """Print means and bars; return 1 if a bar is missed."""
    frame = pd.read_csv(path)
    print(markdown(power(frame)))
    decisive = frame[frame["method"] == "ks-default"]
    means = decisive[decisive["shift"].isin(PAPER)].groupby("n")["rate"].mean()
    missed = [
        f"mean power at n = {n}: {means[n]:.3f}, bar {bar}"
        for n, bar in BARS.items()
        if means[n] < bar
    ]
    strong = decisive[decisive["shift"].isin(STRONG) & (decisive["n"] == STRONG_N)]
    for row in strong[strong["fraction"].isin(STRONG_FRACTIONS)].itertuples():
        print(f"{row.shift}, {row.fraction:.0%}, n = {row.n}: {row.rate:.2f} (bar {STRONG_BAR})")
        if row.rate < STRONG_BAR:
            missed.append(f"{row.shift} at {row.fraction:.0%}: {row.rate:.2f}")
    print("\nmissed: " + "; ".join(missed) if missed else "\nevery bar is met")
    return int(bool(missed))


def _flat(images):
    return images.reshape(len(images), -1).astype(np.float32)


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="directory of the four official files")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=50, help="batches of a cell in a split")
    parser.add_argument("--every", action="store_true", help="pixels, PCA, projection as well")
    parser.add_argument("--file", type=Path, default=POWER_FILE, help="to be written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
