"""How often every two-sample test notices every shift, by the number of images in a batch.

python benchmarks/drift_power.py [--data DIRECTORY] [--splits N] [--repeats N] [--costly]

Champion, held-out images and shifts are those of drift_pool.py. The 20,000 held-out images are
divided anew for every split into a reference of 10,000 and a stock of 10,000, from which batches
are drawn; --splits times --repeats batches for each cell of the table (default 2 x 50). Where a
shift leaves fewer images than a batch needs (one class alone: about 1,000), it gets all there are.
The shift "none" is the null, where every alarm is false: reference and batch are drawn anew each
time, 1,000 times, for the tests that decide, and by the splits for the others.

--costly measures the domain classifier and MMD instead, and adds them to the file: 5 x 4 batches,
two sizes and the paper's shifts alone, for they take seconds where the others take milliseconds.

Writes fmnist_lib/drift/power.csv (rates with 95 % Wilson intervals), which the monitor's card
draws from, and prints the mean over the paper's ten shifts. Fails where a bar is missed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from drift_ks import (
    check,
    corrected_p_values,
    distances,
    level_counts,
    pixel_distances,
    places,
)
from drift_pool import CLEAN, SEED, held_out, pool, pool_name
from sklearn.decomposition import PCA
from sklearn.random_projection import SparseRandomProjection

from fmnist_lib.config import DriftConfig
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.class_counts import homogeneity
from fmnist_lib.drift.power import POWER_FILE, read_power
from fmnist_lib.drift.shifts import SHIFTS
from fmnist_lib.drift.two_sample import two_sample_test
from fmnist_lib.statistics import wilson

SIZES = (10, 20, 50, 100, 200, 500, 1000, 5000)
FRACTIONS = (0.1, 0.5, 1.0)
ALPHA = 0.05
N_OUTPUTS, N_REFERENCE = 10, 10_000
NULL_REPEATS = 1000
COSTLY, COSTLY_SIZES, COSTLY_REPEATS = ("domain-classifier", "mmd"), (100, 1000), 4
#: The shifts that Rabanser et al. average over, by their names here.
PAPER = (
    "adversarial",
    "class_knockout",
    "noise_small",
    "gaussian_noise",
    "noise_large",
    "image_small",
    "image_medium",
    "image_large",
    "image_medium_knockout",
    "image_medium_one_class",
)
#: Their BBSDs row, for MNIST and CIFAR-10 and ten sizes of which these are seven.
PAPER_BBSDS = {10: 0.19, 20: 0.28, 50: 0.47, 100: 0.47, 200: 0.51, 500: 0.65, 1000: 0.70}
BARS = PAPER_BBSDS | {1000: 0.80, 5000: 0.88}
STRONG = ("image_medium", "image_large", "noise_large")
STRONG_BAR = 0.99


class Split:
    """A reference, and where the rows of the pools stand in it.

    The views of the reference are prepared once; `pooled` prepares those of a pool.
    """

    def __init__(self, clean, seed):
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(len(clean.batch))
        self.reference, self.stock = order[:N_REFERENCE], order[N_REFERENCE:]
        self.labels = clean.batch.labels
        flat = _flat(clean.batch.images[self.reference])
        components = DriftConfig().components
        self.maps = {
            "ks-pca": PCA(components, svd_solver="randomized", random_state=seed).fit(flat),
            "ks-projection": SparseRandomProjection(
                components, dense_output=True, random_state=seed
            ).fit(flat),
        }
        self.columns = {name: one.transform(flat) for name, one in self.maps.items()}
        self.columns["ks-default"] = clean.columns[self.reference]
        self.counts = np.bincount(clean.batch.classes[self.reference], minlength=10)
        self.levels = level_counts(clean.batch.images[self.reference].reshape(-1, 784))
        check(self.columns["ks-default"], clean.columns[self.stock[:300]])

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
        """Stock positions of a batch: changed ones, and unchanged ones."""
        found = SHIFTS.get(shift)
        rows = np.arange(len(self.stock))
        if found is not None and found.select is not None:
            rows = found.select(self.labels[self.stock], found.severity * fraction, self.rng)
        rows = self.rng.permutation(rows)[:n]
        # An image is shifted or not, by lot: a batch of ten may have none at all of a tenth.
        changed = self.rng.random(len(rows)) < fraction
        return rows[changed], rows[~changed]


def main() -> None:
    """Measure, write the file, print the means."""
    options = _options()
    held = held_out(options.data)
    clean = pool(held)
    cells = Counter()
    if options.costly:
        _known(cells)
        _costly(held, clean, cells)
    else:
        _null(clean, cells)
        for number in range(options.splits):
            _split(held, clean, SEED + number, options.repeats, cells)
            print(f"split {number + 1} of {options.splits} done", flush=True)
    _write(cells)
    sys.exit(_report(cells))


def _known(cells):
    """What the file says of the other tests."""
    for row in read_power():
        if row.method not in COSTLY:
            key = (row.method, row.shift, row.fraction, row.n)
            cells[*key, "alarms"], cells[*key, "repeats"] = row.alarms, row.repeats


def _null(clean, cells):
    """Reference and batch drawn anew each time, from all held-out images."""
    rng = np.random.default_rng(SEED)
    for n in SIZES:
        for _ in range(NULL_REPEATS):
            order = rng.permutation(len(clean.batch))
            reference, rows = order[:N_REFERENCE], order[N_REFERENCE:][:n]
            found = _fresh_distances(clean, reference, rows)
            classes = clean.batch.classes
            counts = [np.bincount(classes[one], minlength=10) for one in (reference, rows)]
            _count(cells, "none", 0.0, n, _ks_answers(found, n))
            _count(cells, "none", 0.0, n, {"chi2-classes": homogeneity(np.stack(counts))[1]})
        print(f"null at n = {n} done", flush=True)


def _fresh_distances(clean, reference, rows, cache={}):  # noqa: B006 (ranks of the pool, once)
    """Distances by counting ranks in the pool of all held-out images."""
    if not cache:
        ranks = [np.unique(column, return_inverse=True)[1] for column in clean.columns.T]
        cache["ranks"] = np.array(ranks, dtype=np.int32)
    n_ranks = cache["ranks"].shape[1]
    found = []
    for ranks in cache["ranks"]:
        before = np.bincount(ranks[reference], minlength=n_ranks)
        now = np.bincount(ranks[rows], minlength=n_ranks)
        gaps = np.cumsum(before / len(reference) - now / len(rows))
        found.append(np.abs(gaps).max())
    return np.array(found)


def _split(held, clean, seed, repeats, cells):
    split = Split(clean, seed)
    unchanged = split.pooled(clean)
    for name in dict.fromkeys(map(pool_name, SHIFTS)):
        changed = unchanged if name == CLEAN else split.pooled(pool(held, name))
        for shift in (shift for shift in SHIFTS if pool_name(shift) == name):
            for fraction in FRACTIONS:
                for n in SIZES:
                    for _ in range(repeats):
                        _one(split, changed, unchanged, shift, fraction, n, cells)
        if name == CLEAN:
            for n in SIZES:
                for _ in range(repeats):
                    _one(split, changed, unchanged, "none", 0.0, n, cells)


def _one(split, changed, unchanged, shift, fraction, n, cells):  # noqa: PLR0917 (a cell)
    parts = list(zip((changed, unchanged), split.draw(shift, fraction, n), strict=True))
    size = sum(len(rows) for _, rows in parts)
    answers = {}
    for view in split.columns:
        below, upto = (
            np.concatenate([part["ranks"][view][side][:, rows] for part, rows in parts], axis=1)
            for side in (0, 1)
        )
        found = distances(below, upto, N_REFERENCE)
        answers |= (
            _ks_answers(found, size)
            if view == "ks-default"
            else {view: corrected_p_values(found.max(), found.size, N_REFERENCE, size)}
        )
    pixels = np.concatenate([part["pixels"][rows] for part, rows in parts])
    found = pixel_distances(split.levels, pixels, N_REFERENCE)
    answers["ks-pixels"] = corrected_p_values(found.max(), found.size, N_REFERENCE, size)
    classes = np.concatenate([part["classes"][rows] for part, rows in parts])
    counts = np.stack([split.counts, np.bincount(classes, minlength=10)])
    answers["chi2-classes"] = homogeneity(counts)[1]
    if shift == "none":  # measured with a new reference each time
        for name in ("ks-default", "ks-outputs", "ks-features", "chi2-classes"):
            del answers[name]
    _count(cells, shift, fraction, n, answers)


def _ks_answers(found, n):
    views = {
        "ks-default": found,
        "ks-outputs": found[:N_OUTPUTS],
        "ks-features": found[N_OUTPUTS:],
    }
    return {
        name: corrected_p_values(one.max(), one.size, N_REFERENCE, n) for name, one in views.items()
    }


def _count(cells, shift, fraction, n, answers):
    for method, p_value in answers.items():
        cells[method, shift, fraction, n, "alarms"] += int(p_value <= ALPHA)
        cells[method, shift, fraction, n, "repeats"] += 1


def _costly(held, clean, cells):
    config = DriftConfig(alpha=ALPHA)
    for number in range(5):
        split = Split(clean, SEED + 100 + number)
        reference = clean.batch.rows(split.reference)
        for shift in ("none", *PAPER):
            changed = clean if shift == "none" else pool(held, pool_name(shift))
            for fraction in FRACTIONS if shift != "none" else (0.0,):
                for n in COSTLY_SIZES:
                    draw = partial(_batch, split, changed, clean, shift, fraction, n)
                    for repeat in range(COSTLY_REPEATS):
                        batch, seed = draw(), 1000 * number + repeat
                        answers = {
                            method: two_sample_test(method, reference, batch, config, seed).p_value
                            for method in COSTLY
                        }
                        _count(cells, shift, fraction, n, answers)
        print(f"costly tests: split {number + 1} of 5 done", flush=True)


def _batch(split, changed, clean, shift, fraction, n):  # noqa: PLR0917 (a cell)
    parts = [
        one.batch.rows(split.stock[rows])
        for one, rows in zip((changed, clean), split.draw(shift, fraction, n), strict=True)
        if len(rows)
    ]
    return Batch(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )


def _write(cells):
    keys = sorted({key[:4] for key in cells}, key=str)
    with POWER_FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = ["method", "shift", "fraction", "n", "alarms", "repeats", "rate", "low", "high"]
        writer.writerow(header)
        for method, shift, fraction, n in sorted(keys):
            alarms = cells[method, shift, fraction, n, "alarms"]
            repeats = cells[method, shift, fraction, n, "repeats"]
            rate = wilson(alarms, repeats)
            shown = [f"{value:.4f}" for value in (rate.value, rate.low, rate.high)]
            writer.writerow([method, shift, fraction, n, alarms, repeats, *shown])


def _rate(cells, method, shift, fraction, n):
    key = (method, shift, fraction, n)
    return cells[*key, "alarms"] / cells[*key, "repeats"]


def _report(cells):
    """Print means and bars; 1 where one is missed."""
    methods = sorted({key[0] for key in cells})
    print("\n| mean over the paper's ten shifts and three fractions, n = | ", end="")
    print(" | ".join(map(str, SIZES)) + " |\n|" + "---|" * (len(SIZES) + 1))
    means = {}
    for method in methods:
        for n in SIZES:
            have = [
                _rate(cells, method, shift, fraction, n)
                for shift in PAPER
                for fraction in FRACTIONS
                if (method, shift, fraction, n, "repeats") in cells
            ]
            means[method, n] = float(np.mean(have)) if have else float("nan")
        print(f"| {method} | " + " | ".join(f"{means[method, n]:.2f}" for n in SIZES) + " |")
        null = [
            _rate(cells, method, "none", 0.0, n)
            if (method, "none", 0.0, n, "repeats") in cells
            else float("nan")
            for n in SIZES
        ]
        print(f"| {method}, no shift | " + " | ".join(f"{one:.3f}" for one in null) + " |")
    paper = [PAPER_BBSDS.get(n) for n in SIZES]
    print(
        "| BBSDs in the paper | "
        + " | ".join("" if p is None else f"{p:.2f}" for p in paper)
        + " |"
    )
    missed = [
        f"mean power at n = {n}: {means['ks-default', n]:.3f}, bar {bar}"
        for n, bar in BARS.items()
        if means["ks-default", n] < bar
    ]
    for shift in STRONG:
        for fraction in (0.5, 1.0):
            rate = _rate(cells, "ks-default", shift, fraction, 1000)
            print(f"{shift}, {fraction:.0%}, n = 1000: {rate:.2f} (bar {STRONG_BAR})")
            if rate < STRONG_BAR:
                missed.append(f"{shift} at {fraction:.0%}: {rate:.2f}")
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
    parser.add_argument("--costly", action="store_true", help="domain classifier and MMD as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
