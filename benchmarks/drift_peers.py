"""False alarms and detection of this project's drift test and of three libraries, side by side.

python benchmarks/drift_peers.py --setup
python benchmarks/drift_peers.py [--data DIRECTORY] [--only NAME ...] [--minutes M]

Champion, held-out images and shifts are those of drift_pool.py. For every repeat the 20,000
held-out images are divided anew into a reference of 10,000 and a stock of 10,000, from which the
batches are drawn; all tests get the same rows. Without a shift every alarm is false. What each
calls drift in a batch is its own default, and the libraries get the champion's ten outputs:

- fmnist-flow: KS of the champion's ten outputs and 23 named features, alarm when any column's
  p-value is at most 0.05 after Bonferroni. "fmnist-flow ks-outputs" is the same of the outputs
  alone.
- alibi-detect, KSDrift: the same, of the columns it is given.
- Evidently, DataDriftPreset: for references beyond 1,000 rows the Wasserstein distance of each
  column, in its standard deviations, is drift from 0.1; the data set drifts when at least half of
  the columns do.
- NannyML, UnivariateDriftCalculator: a column alerts where its Jensen-Shannon distance is more than
  three standard deviations above the mean of chunks of the reference, here of the batch's size. It
  has no verdict on all columns together: any alert counts.

There are 200 repeats without a shift and 50 with each. A library that has not finished
after --minutes was measured on the first of them, whose number the table gives. Rates with 95 %
Wilson intervals go to benchmarks/results/drift_peers.csv, in place of older ones of the same test.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from drift_ks import critical, distances, places
from drift_pool import CLEAN, SEED, held_out, pool, pool_name
from peers import ENVIRONMENTS, RESULTS, SCRIPTS, set_up
from tables import markdown

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.drift.shifts.catalogue import SHIFTS
from fmnist_lib.drift.two_sample.methods import two_sample_test
from fmnist_lib.registry.run_environment import git_commit

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = "drift"
TABLE = RESULTS / "drift_peers.csv"
SIZES = (100, 500, 1000)
FRACTIONS = (0.1, 0.5, 1.0)
TESTED_SHIFTS = ("gaussian_noise", "image_small", "image_medium", "darker", "class_knockout")
NONE = "none"
N_REFERENCE, N_OUTPUTS = 10_000, 10
#: Every fourth repeat has batches with shifts.
REPEATS, SHIFTED_EVERY = 200, 4
CELL = ["shift", "fraction", "n"]


#: Scripts in benchmarks/peers.
PEERS = {
    "alibi-detect KSDrift": "run_alibi_detect.py",
    "Evidently": "run_evidently.py",
    "NannyML": "run_nannyml.py",
}
#: Number of the 33 columns that this project's tests compare.
OWN = {"fmnist-flow": None, "fmnist-flow ks-outputs": N_OUTPUTS}


@dataclass(frozen=True)
class Draw:
    """Rows of the stacked pools.

    Attributes
    ----------
    references : ndarray of shape (n_repeats, 10000), int32
    cells : DataFrame
        Shift, fraction, n and repeat of every batch, by repeat.
    batches : ndarray of shape (n_batches, 1000), int32
        Shorter ones are filled up with -1.
    """

    references: np.ndarray
    cells: pd.DataFrame
    batches: np.ndarray

    def first(self, n_batches: int) -> Draw:
        """The first of the batches."""
        return Draw(self.references, self.cells[:n_batches], self.batches[:n_batches])


def main() -> None:
    """Set the environment up, or measure and print."""
    options = _options()
    if options.setup:
        set_up([ENVIRONMENT])
        return
    held = held_out(options.data)
    names = list(dict.fromkeys([CLEAN, *map(pool_name, TESTED_SHIFTS)]))
    pools = [pool(held, name) for name in names]
    draw = draw_batches(held.labels, names)
    for name in options.only:
        print(f"{name}: {len(draw.batches)} batches at most", flush=True)
        if name in OWN:
            rates = own_rates(name, pools, draw)
        else:
            rates = peer_rates(name, pools, draw, options.minutes)
        keep(rates)
        print(summary(rates), flush=True)
    _print_tables(pd.read_csv(TABLE))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--setup", action="store_true", help="make the virtual environment")
    parser.add_argument("--data", type=Path, help="directory of the four official files")
    parser.add_argument("--minutes", type=float, default=30.0, help="of each library, at most (30)")
    everything = [*OWN, *PEERS]
    parser.add_argument("--only", nargs="+", choices=everything, default=everything)
    return parser.parse_args()


def draw_batches(labels: np.ndarray, names: list[str]) -> Draw:
    """Draw all references and batches.

    Parameters
    ----------
    labels : ndarray of shape (20000,)
        Of the held-out images.
    names : list of str
        Of the pools in the order they are stacked, the unchanged one first.
    """
    references, cells, batches = [], [], []
    for repeat in range(REPEATS):
        rng = np.random.default_rng([SEED, repeat])
        order = rng.permutation(len(labels)).astype(np.int32)
        references.append(order[:N_REFERENCE])
        for shift, fraction in _changes(repeat):
            for n in SIZES:
                rows = _batch(order[N_REFERENCE:], labels, names, shift, fraction, n, rng)
                batches.append(np.pad(rows, (0, max(SIZES) - len(rows)), constant_values=-1))
                cells.append((shift, fraction, n, repeat))
    return Draw(
        np.array(references), pd.DataFrame(cells, columns=[*CELL, "repeat"]), np.array(batches)
    )


def _changes(repeat: int) -> list[tuple[str, float]]:
    if repeat % SHIFTED_EVERY:
        return [(NONE, 0.0)]
    shifted = [(shift, fraction) for shift in TESTED_SHIFTS for fraction in FRACTIONS]
    return [(NONE, 0.0), *shifted]


def _batch(stock, labels, names, shift, fraction, n, rng):  # noqa: PLR0917 (a cell)
    """Rows of one batch: an image is shifted or not by lot."""
    if shift == NONE:
        return rng.permutation(stock)[:n]
    found = SHIFTS[shift]
    if found.select is not None:
        stock = stock[found.select(labels[stock], found.severity * fraction, rng)]
    rows = rng.permutation(stock)[:n]
    changed = rng.random(len(rows)) < fraction
    return (rows + len(labels) * names.index(pool_name(shift)) * changed).astype(np.int32)


def own_rates(name: str, pools, draw: Draw) -> pd.DataFrame:
    """Rates of this project's test, from columns that were computed once."""
    columns = np.concatenate([one.columns for one in pools])[:, : OWN[name]]
    _check(pools)
    alarms = [
        alarm
        for repeat, group in draw.cells.groupby("repeat").groups.items()
        for alarm in _own_alarms(columns, draw.references[repeat], draw.batches[group])
    ]
    version = f"commit {git_commit(ROOT) or 'unknown'}"
    return rates_of(name, draw, np.array(alarms), version)


def _own_alarms(columns, reference, batches):
    """Ranks of all rows among the reference's are looked up once."""
    rows = np.unique(batches[batches >= 0])
    below, upto = places(columns[reference], columns[rows])
    for batch in batches:
        at = np.searchsorted(rows, batch[batch >= 0])
        found = distances(below[:, at], upto[:, at], N_REFERENCE)
        yield found.max() >= critical(found.size, N_REFERENCE, len(at))


def _check(pools):
    """Raise unless the ranks and the stored columns give what the library's own function says."""
    before, now = np.arange(500), np.arange(500, 1000)
    for one in pools:
        parts = pools[0].batch.rows(before), one.batch.rows(now)
        expected = two_sample_test("ks-default", *parts, DriftConfig(), SEED)
        columns = np.concatenate([pools[0].columns[before], one.columns[now]])
        found = distances(*places(columns[:500], columns[500:]), 500)
        np.testing.assert_allclose(found, expected.statistic, atol=1e-12)
        if (found.max() >= critical(found.size, 500, 500)) != expected.drifted:
            message = f"{one.name}: expected the decision of two_sample_test, got another"
            raise AssertionError(message)


def peer_rates(name: str, pools, draw: Draw, minutes: float) -> pd.DataFrame:
    """Rates of a library, run in its own environment."""
    with tempfile.TemporaryDirectory() as directory:
        outputs = np.concatenate([one.batch.probabilities for one in pools])
        np.save(Path(directory) / "outputs.npy", outputs)
        np.savez(
            Path(directory) / "batches.npz",
            references=draw.references,
            repeats=draw.cells["repeat"].to_numpy(),
            batches=draw.batches,
        )
        _run(name, [str(SCRIPTS / PEERS[name]), directory, str(minutes)])
        with np.load(Path(directory) / "alarms.npz") as answer:
            alarms, version = answer["alarms"], str(answer["version"])
    return rates_of(name, draw.first(len(alarms)), alarms, version)


def _run(name, command):
    log = ENVIRONMENTS / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    python = ENVIRONMENTS / ENVIRONMENT / "bin" / "python"
    if not python.exists():
        sys.exit(f"{name}: expected its environment, found none. Run this with --setup first.")
    environment = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}
    with log.open("wb") as output:
        ended = subprocess.run(
            [str(python), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    if ended.returncode:
        sys.exit(f"{name}: exit code {ended.returncode}; {log} says why.")


def rates_of(name: str, draw: Draw, alarms, version: str) -> pd.DataFrame:
    """One row a cell: alarms, batches, rate and its interval."""
    counted = draw.cells.assign(alarm=alarms).groupby(CELL)["alarm"].agg(["sum", "count"])
    rows = []
    for cell, (hits, repeats) in zip(counted.index, counted.to_numpy(), strict=True):
        rate = wilson(int(hits), int(repeats))
        row = dict(zip(CELL, cell, strict=True))
        row |= {"alarms": int(hits), "repeats": int(repeats), "rate": rate.value}
        rows.append({"test": name, **row, "low": round(rate.low, 4), "high": round(rate.high, 4)})
    return pd.DataFrame(rows).assign(version=version)


def keep(rates: pd.DataFrame) -> None:
    """Put the rates in the place of older ones of the same test."""
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    if TABLE.exists():
        old = pd.read_csv(TABLE)
        rates = pd.concat([old[~old["test"].isin(rates["test"])], rates])
    rates.to_csv(TABLE, index=False, lineterminator="\n")


def summary(rates: pd.DataFrame) -> str:
    """False alarms and mean detection of every test, by n, as a Markdown table."""
    null = rates["shift"] == NONE
    false = rates[null].assign(
        shown=lambda frame: (
            frame["rate"].map("{:.3f}".format)
            + frame["low"].map(" [{:.3f}, ".format)
            + frame["high"].map("{:.3f}]".format)
        )
    )
    power = rates[~null].groupby(["test", "n"], as_index=False, observed=True)["rate"].mean()
    left = false.pivot_table("shown", "test", "n", aggfunc="first", observed=True)
    right = power.pivot_table("rate", "test", "n", observed=True).map("{:.2f}".format)
    left.columns = [f"false alarms, n = {n}" for n in left.columns]
    right.columns = [f"detected, n = {n}" for n in right.columns]
    return markdown(left.join(right).reset_index())


def by_shift(rates: pd.DataFrame, n: int) -> str:
    """Detection of every shift and fraction by every test, as a Markdown table."""
    shown = rates[(rates["shift"] != NONE) & (rates["n"] == n)]
    table = shown.pivot_table("rate", ["shift", "fraction"], "test", observed=True)
    return markdown(table.map("{:.2f}".format).reset_index())


def _print_tables(rates):
    order = [name for name in (*OWN, *PEERS) if name in set(rates["test"])]
    rates["test"] = pd.Categorical(rates["test"], order, ordered=True)
    print(summary(rates), by_shift(rates, 500), sep="\n")


if __name__ == "__main__":
    main()
