"""Verdicts on thousands of batches: false alarms, missed shifts, accuracy without labels.

python benchmarks/drift_verdicts.py [--data DIRECTORY] [--only harm estimate year]

Champion, held-out images and shifts are those of drift_pool.py. Every reference is a random half
(10,000) of the held-out images, and batches are drawn from the other half; changed images come
from the pools, scored once. Statistics are the library's; only its Kolmogorov-Smirnov distances
are computed by drift_ks.py, which checks that they are the same.

harm       a harmless shift (noise of standard deviation 1 in a tenth of 10,000 images) is never
           "retrain" in 200 tries; every shift that really costs 5 points or more is in at least
           95 % of 200 tries at n = 500
estimate   mean absolute error of the accuracy estimated without labels, n = 500: at most 0.015 on
           100 batches without a shift, and at most 0.03 over all shifts and fractions where it
           does not call itself unreliable
year       365 nights without a shift, n = 500, 100 times: at most 5 % of the years have a
           "retrain"; "watch" is counted in 3 of them; a new reference every 5

Tables go to benchmarks/results/drift_*.csv. Fails where a bar is missed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from drift_ks import check, distances, places
from drift_pool import ROOT, SEED, held_out, pool, pool_name
from scipy.stats import kstwo

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.drift.accuracy import estimate_accuracy
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.calibration import calibrate
from fmnist_lib.drift.columns import default_columns
from fmnist_lib.drift.evidence import gather_evidence
from fmnist_lib.drift.shifts.catalogue import SHIFTS
from fmnist_lib.drift.two_sample.methods import two_sample_test
from fmnist_lib.drift.two_sample.result import TwoSampleResult
from fmnist_lib.drift.verdict import decide

RESULTS = ROOT / "benchmarks" / "results"
CONFIG = DriftConfig()
FRACTIONS = (0.1, 0.5, 1.0)
N, N_REFERENCE = 500, 10_000
HURTS, TRIES, SPLITS = 0.05, 200, 4
YEARS, YEARS_A_SPLIT, NIGHTS, WATCHED_YEARS = 100, 5, 365, 3
NULL_BATCHES, SHIFT_BATCHES = 100, 3


class Split:
    """A labelled reference, prepared once, and the stock that batches are drawn from."""

    def __init__(self, held, seed):
        self.clean = _with_columns(pool(held))
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(len(self.clean))
        self.reference, self.stock = self.clean.rows(order[:N_REFERENCE]), order[N_REFERENCE:]
        calibration = calibrate(self.reference, seed)
        known = calibration.confidence(self.reference.probabilities)

        def confidence(probabilities):
            """As the calibration's, with those of the reference computed once."""
            asked_again = probabilities is self.reference.probabilities
            return known if asked_again else calibration.confidence(probabilities)

        self.calibration = replace(calibration, confidence=confidence)
        self.ordered = np.sort(self.reference.columns, axis=0)
        self.accuracy = (self.reference.classes == self.reference.labels).mean()
        check(self.reference.columns, self.clean.rows(self.stock[:300]).columns)

    def batch(self, changed, shift, fraction, n):
        """A labelled batch in which every image is shifted with this chance."""
        found = SHIFTS.get(shift)
        rows = self.stock
        if found is not None and found.select is not None:
            labels = self.clean.labels[rows]
            rows = rows[found.select(labels, found.severity * fraction, self.rng)]
        rows = self.rng.permutation(rows)[:n]
        if fraction == 0:
            return self.clean.rows(rows)
        moved = self.rng.random(len(rows)) < fraction
        after, before = changed.rows(rows), self.clean.rows(rows)
        batch = Batch(
            np.where(moved[:, None, None], after.images, before.images),
            np.where(moved[:, None], after.probabilities, before.probabilities),
            before.labels,
        )
        batch.__dict__["columns"] = np.where(moved[:, None], after.columns, before.columns)
        return batch

    def drop(self, batch):
        """Estimated loss of accuracy."""
        return self.accuracy - self.estimate(batch).value

    def estimate(self, batch, domain=None):
        """Accuracy without labels; without a domain classifier it counts as reliable."""
        domain = domain or _result("domain-classifier", np.zeros(1), np.ones(1), len(batch))
        return estimate_accuracy(self.reference, batch, self.calibration, domain)

    def verdict(self, batch):
        """The verdict without labels."""
        blind = Batch(batch.images, batch.probabilities)
        blind.__dict__["columns"] = batch.columns
        estimate = self.estimate(blind)
        if self.accuracy - estimate.value < CONFIG.verdict.min_drop:
            return "no retrain"  # whatever the tests say: they need not be made
        return self.full_verdict(blind, estimate)

    def full_verdict(self, blind, estimate):
        """The verdict with every test made."""
        ranks = places(self.ordered, blind.columns)
        found = distances(*ranks, N_REFERENCE)
        effective = np.round(N_REFERENCE * len(blind) / (N_REFERENCE + len(blind)))
        p_value = np.minimum(1, found.size * kstwo.sf(found.max(), effective))
        default = _result("ks-default", found, np.full(found.size, p_value), len(blind))
        evidence = gather_evidence(self.reference, blind, self.calibration, default, estimate, None)
        return decide(evidence, CONFIG.verdict)[0]


def main() -> None:
    """Measure what was asked for; fail where a bar is missed."""
    options = _options()
    held = held_out(options.data)
    missed = [problem for name in options.only for problem in MEASURES[name](held)]
    print("\nmissed: " + "; ".join(missed) if missed else "\nevery bar is met")
    sys.exit(int(bool(missed)))


def harm(held):
    """Count verdicts on a harmless shift and on every shift that lowers accuracy."""
    splits = [Split(held, SEED + number) for number in range(SPLITS)]
    rows = [_harmless(splits, held)]
    for name in dict.fromkeys(map(pool_name, SHIFTS)):
        changed = _with_columns(pool(held, name))
        for shift in (one for one in SHIFTS if pool_name(one) == name):
            rows += [_tries(splits, changed, shift, fraction, N) for fraction in FRACTIONS]
    rows = [row for row in rows if row is not None]
    _table("drift_harm.csv", rows)
    return [
        f"{row['shift']} {row['fraction']}: {row['retrain']} of 200"
        for row in rows
        if row["bar"] == "missed"
    ]


def _harmless(splits, held):
    changed = _with_columns(pool(held, "noise_small"))
    return _tries(splits, changed, "noise_small", 0.1, 10_000, harmless=True)


def _tries(splits, changed, shift, fraction, n, *, harmless=False):
    lost = np.mean([_true_drop(split, changed, shift, fraction) for split in splits])
    if lost < HURTS and not harmless:
        return None
    verdicts, drops = [], []
    for split in splits:
        for _ in range(TRIES // len(splits)):
            batch = split.batch(changed, shift, fraction, n)
            verdicts.append(split.verdict(batch))
            drops.append(split.drop(batch))
    retrain = verdicts.count("retrain")
    met = retrain == 0 if harmless else retrain >= 0.95 * len(verdicts)
    return {
        "shift": shift,
        "fraction": fraction,
        "n": n,
        "true_drop": round(float(lost), 4),
        "estimated_drop": round(float(np.mean(drops)), 4),
        "retrain": retrain,
        "tries": len(verdicts),
        "bar": "met" if met else "missed",
    }


def _true_drop(split, changed, shift, fraction):
    """Accuracy lost on 5,000 images."""
    batch = split.batch(changed, shift, fraction, 5000)
    return split.accuracy - (batch.classes == batch.labels).mean()


def estimate(held):
    """Errors of the accuracy without labels."""
    splits = [Split(held, SEED + 50 + number) for number in range(SPLITS)]
    rows = [_errors(splits, splits[0].clean, "none", 0.0, NULL_BATCHES // SPLITS)]
    for name in dict.fromkeys(map(pool_name, SHIFTS)):
        changed = _with_columns(pool(held, name))
        for shift in (one for one in SHIFTS if pool_name(one) == name):
            rows += [
                _errors(splits[:SHIFT_BATCHES], changed, shift, fraction, 1)
                for fraction in FRACTIONS
            ]
    _table("drift_estimate.csv", rows)
    null, shifted = rows[0], rows[1:]
    batches = sum(row["batches"] for row in shifted)
    reliable = sum(row["reliable"] for row in shifted)
    errors = [row["error_reliable"] for row in shifted if row["reliable"]]
    weights = [row["reliable"] for row in shifted if row["reliable"]]
    over = float(np.average(errors, weights=weights))
    inside = sum(row["inside"] for row in rows[:1]) / null["batches"]
    print(
        f"\nno shift: mean absolute error {null['error_all']:.4f} (bar 0.015), "
        f"{null['batches'] - null['reliable']} of {null['batches']} called unreliable, "
        f"interval holds the truth in {inside:.0%}"
    )
    print(
        f"shifts: mean absolute error {over:.4f} where reliable (bar 0.03); "
        f"{1 - reliable / batches:.0%} of {batches} batches called unreliable; "
        f"over all of them {np.mean([row['error_all'] for row in shifted]):.4f}"
    )
    missed = ["error without a shift"] if null["error_all"] > 0.015 else []  # noqa: PLR2004 (the bar)
    return missed + (["error over shifts"] if over > 0.03 else [])  # noqa: PLR2004 (the bar)


def _errors(splits, changed, shift, fraction, batches):
    errors, reliable, inside = [], [], 0
    for number, split in enumerate(splits):
        for repeat in range(batches):
            batch = split.batch(changed, shift, fraction, N)
            seed = 1000 * number + repeat
            domain = two_sample_test("domain-classifier", split.reference, batch, CONFIG, seed)
            found = split.estimate(batch, domain)
            truth = (batch.classes == batch.labels).mean()
            errors.append(abs(found.value - truth))
            reliable.append(found.reliable)
            inside += found.low <= truth <= found.high
    good = np.array(errors)[reliable]
    return {
        "shift": shift,
        "fraction": fraction,
        "batches": len(errors),
        "error_all": round(float(np.mean(errors)), 4),
        "reliable": int(sum(reliable)),
        "error_reliable": round(float(good.mean()), 4) if len(good) else "",
        "inside": int(inside),
    }


def year(held):
    """Count the years without a shift that have a false alarm."""
    retrained, watches = 0, 0
    for number in range(YEARS):
        if number % YEARS_A_SPLIT == 0:
            split = Split(held, SEED + 1000 + number)
        nights = (split.batch(split.clean, "none", 0.0, N) for _ in range(NIGHTS))
        if number < WATCHED_YEARS:
            verdicts = [split.full_verdict(one, split.estimate(one)) for one in nights]
        else:
            verdicts = [split.verdict(one) for one in nights]
        retrained += "retrain" in verdicts
        watches += verdicts.count("watch") if number < WATCHED_YEARS else 0
    rate = wilson(retrained, YEARS)
    _table(
        "drift_year.csv",
        [
            {
                "years": YEARS,
                "nights": NIGHTS,
                "n": N,
                "years_with_a_false_retrain": retrained,
                "share": rate.value,
                "low": round(rate.low, 4),
                "high": round(rate.high, 4),
                "watches_a_year": round(watches / WATCHED_YEARS, 2),
            }
        ],
    )
    return ["false retrains"] if rate.value > 0.05 else []  # noqa: PLR2004 (the bar)


def _with_columns(one):
    one.batch.__dict__["columns"] = one.columns
    return one.batch


def _result(method, statistic, p_values, n):
    names = default_columns() if len(statistic) > 1 else (method,)
    return TwoSampleResult(
        method=method,
        columns=names,
        statistic=statistic,
        p_values=p_values,
        adjusted_p_values=p_values,
        alpha=CONFIG.alpha,
        effect_size=float(statistic.max()),
        effect="",
        n_reference=N_REFERENCE,
        n_current=n,
    )


def _table(name, rows):
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |", flush=True)


MEASURES = {"harm": harm, "estimate": estimate, "year": year}


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="directory of the four official files")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
