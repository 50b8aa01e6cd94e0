"""Coverage and size of prediction sets on the test images, beside those of MAPIE.

python benchmarks/conformal.py --setup      # once: installs MAPIE into benchmarks/.environments
python benchmarks/conformal.py [--run FashionMnistTrain/RUN | --file FILE.npz] [--no-peer]
python benchmarks/conformal.py --choose [--run ... | --file ...]

All methods are calibrated on the out-of-fold probabilities of a run's training images and measured
on the winner's probabilities of the test images, by default those of the latest successful run. The
arrays of FILE are ``probabilities``, ``labels``, ``test_probabilities`` and ``test_labels``.

Coverage should be within the interval that holds 99 % of what a binomial distribution with the
asked-for level gives, for all test images and for each class. MAPIE's methods have one threshold
for all classes: "lac" is the same score as this project's, "raps" is regularised adaptive sets,
deterministic as is MAPIE's default, and randomised. The rows go to benchmarks/results/conformal.csv
and, by tables.py, to docs/benchmarks.md.

With --choose, scores and thresholds are compared on halves of the training images instead: that is
how this project's were chosen.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from conformal_scores import compared_sets
from peers import ENVIRONMENTS, RESULTS, SCRIPTS, set_up

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.evaluation.conformal import LEVELS

ENVIRONMENT = "conformal"
TABLE = RESULTS / "conformal.csv"
PROJECT = "fmnist-flow"
#: Share of the coverages within the interval, if the level holds exactly.
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Probabilities:
    """Predicted probabilities, shape (n, 10), with labels, shape (n,).

    Attributes
    ----------
    probabilities, labels : ndarray
        Out of fold, of the training images.
    test_probabilities, test_labels : ndarray
        Of the winner.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    test_probabilities: np.ndarray
    test_labels: np.ndarray


def main() -> None:
    """Set the environment up, or measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--setup", action="store_true", help="make the virtual environment")
    parser.add_argument("--run", help="a training run, as Metaflow's Client API names it")
    parser.add_argument("--file", type=Path, help="an .npz file with the probabilities")
    parser.add_argument("--choose", action="store_true", help="compare scores, out of fold")
    parser.add_argument("--no-peer", action="store_true", help="leave MAPIE out, write nothing")
    options = parser.parse_args()
    if options.setup:
        set_up([ENVIRONMENT])
        return
    data = _from_file(options.file) if options.file else _from_run(options.run)
    if options.choose:
        compared = compared_sets(data.probabilities, data.labels, LEVELS)
        print(pd.concat([rows(*one) for one in compared]).round(4).to_string(index=False))
        return
    table = rows(PROJECT, own_sets(data), data.test_labels)
    if not options.no_peer:
        peer = [rows(name, sets, data.test_labels) for name, sets in peer_sets(data).items()]
        table = pd.concat([table, *peer])
        table.to_csv(TABLE, index=False, float_format="%.4f")
    print(table.round(4).to_string(index=False))


def _from_file(path: Path) -> Probabilities:
    with np.load(path) as content:
        return Probabilities(**{name: content[name] for name in Probabilities.__annotations__})


def _from_run(name: str | None) -> Probabilities:
    from metaflow import Flow, Run

    run = Run(name) if name else Flow("FashionMnistTrain").latest_successful_run
    fitted, selected = run["cross_fit"].task.data, run["select"].task.data
    found = fitted.out_of_fold
    return Probabilities(
        found.probabilities,
        found.labels,
        np.asarray(selected.test_probabilities),
        selected.dataset.test.labels,
    )


def own_sets(data: Probabilities) -> np.ndarray:
    """Return this project's sets, bool of shape (n_levels, n_test, 10)."""
    calibration = sorted_by_class(data.probabilities, data.labels)
    return np.stack([calibration.sets(data.test_probabilities, level) for level in LEVELS])


def peer_sets(data: Probabilities) -> dict[str, np.ndarray]:
    """Return MAPIE's sets by the name of the method, from a process in its own environment."""
    python = ENVIRONMENTS / ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise SystemExit(
            f"{python}: expected an environment with MAPIE, found none. Make it: "
            "python benchmarks/conformal.py --setup"
        )
    with tempfile.TemporaryDirectory() as name:
        inputs, outputs = Path(name) / "inputs.npz", Path(name) / "outputs.npz"
        np.savez(inputs, levels=LEVELS, **vars(data))
        subprocess.run([python, SCRIPTS / "run_mapie.py", inputs, outputs], check=True)
        with np.load(outputs) as content:
            return dict(content)


def rows(method: str, sets: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return a row per level: coverage, the interval it should be in, and sizes.

    Parameters
    ----------
    method : str
    sets : ndarray of bool, shape (n_levels, n, 10)
    labels : ndarray of int, shape (n,)
    """
    found = []
    for level, inside in zip(LEVELS, sets, strict=True):
        covered, size = inside[np.arange(len(labels)), labels], inside.sum(axis=1)
        low, high = expected(level, len(labels))
        classes = [covered[labels == label] for label in np.unique(labels)]
        found.append(
            {
                "method": method,
                "level": level,
                "coverage": covered.mean(),
                "low": low,
                "high": high,
                "lowest_class": min(one.mean() for one in classes),
                "highest_class": max(one.mean() for one in classes),
                "classes_inside": sum(_is_expected(one, level) for one in classes),
                "mean_size": size.mean(),
                "single": (size == 1).mean(),
                "empty": (size == 0).mean(),
            }
        )
    return pd.DataFrame(found)


def expected(level: float, n: int) -> tuple[float, float]:
    """Return the interval of the coverage of `n` images if each is covered at this level."""
    from scipy.stats import binom

    low, high = binom.interval(CONFIDENCE, n, level)
    return low / n, high / n


def _is_expected(covered: np.ndarray, level: float) -> bool:
    low, high = expected(level, len(covered))
    return bool(low <= covered.mean() <= high)


if __name__ == "__main__":
    main()
