"""Coverage, false alarms and bias of the statistics on the cards, by simulation.

python benchmarks/simulations.py [--evaluations 2000] [--searches 500]

Candidates are simulated as thresholds of a latent difficulty that images share, so that their
errors are correlated as those of real candidates are. Prints the table of docs/statistics.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fmnist_lib.common.candidate_result import CandidateResult
from fmnist_lib.common.statistics import (
    independent_difference,
    mcnemar,
    paired_difference,
    wilson,
)
from fmnist_lib.config.training import EvaluationConfig
from fmnist_lib.evaluation.metrics import evaluate
from fmnist_lib.evaluation.selection import corrected_accuracy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fmnist_lib.common.statistics import Estimate

#: Share of the latent difficulty that candidates have in common. Real candidates of a default run
#: agree on 93 to 99.7 % of the images.
SHARED = 0.8
#: Level of the tests.
ALPHA = 0.05
#: Recall per class of a default run, and the four classes that are confused with each other.
RECALL = (0.90, 0.99, 0.93, 0.96, 0.94, 0.997, 0.855, 0.99, 0.995, 0.975)
CONFUSED = (0, 2, 4, 6)
#: Accuracies of candidates: a typical search, and one in which all are equally good.
SEARCHES = {
    "typical": (0.9533, 0.9536, 0.9409, 0.9408, 0.9169),
    "all equal": (0.95,) * 7,
}


def correct(accuracies: tuple[float, ...], n: int, random: np.random.Generator) -> np.ndarray:
    """Return which of n images each candidate classifies correctly, shape (n_candidates, n)."""
    shared = np.sqrt(SHARED) * random.standard_normal(n)
    own = np.sqrt(1 - SHARED) * random.standard_normal((len(accuracies), n))
    return shared + own + norm.ppf(accuracies)[:, None] > 0


def covers(estimate: Estimate, truth: float) -> bool:
    """Return whether an interval holds the true value."""
    return estimate.low <= truth <= estimate.high


def accuracy_coverage(share: float, n: int, repeats: int, random: np.random.Generator) -> float:
    """Return the coverage of Wilson's interval."""
    counts = random.binomial(n, share, repeats)
    return float(np.mean([covers(wilson(int(count), n), share) for count in counts]))


def f1_coverage(repeats: int, random: np.random.Generator) -> float:
    """Return the coverage of the bootstrap interval of macro F1, for 10,000 images."""
    confusion = np.diag(RECALL) * 0.1
    for actual, recall in enumerate(RECALL):
        others = [label for label in CONFUSED if label != actual]
        confusion[actual, others] += 0.1 * (1 - recall) / len(others)
    truth = _macro_f1(confusion)
    config, found = EvaluationConfig(bootstrap_samples=500), []
    for seed in range(repeats):
        cells = random.multinomial(10_000, confusion.ravel())
        labels, predicted = np.divmod(np.repeat(np.arange(100), cells), 10)
        probabilities = np.eye(10)[predicted]
        found.append(covers(evaluate(labels, probabilities, config, seed).macro_f1, truth))
    return float(np.mean(found))


def _macro_f1(confusion: np.ndarray) -> float:
    hits, total = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(2 * hits / total))


def difference_coverage(
    accuracies: tuple[float, float], n: int, repeats: int, random: np.random.Generator
) -> tuple[float, float]:
    """Return the coverage of the paired and of the independent interval of a difference."""
    truth = accuracies[0] - accuracies[1]
    paired, independent = [], []
    for _ in range(repeats):
        first, second = correct(accuracies, n, random)
        paired.append(covers(paired_difference(first, second), truth))
        counts = random.binomial(n, accuracies)
        estimates = [wilson(int(count), n) for count in counts]
        independent.append(covers(independent_difference(*estimates), truth))
    return float(np.mean(paired)), float(np.mean(independent))


def false_alarms(n: int, repeats: int, random: np.random.Generator) -> float:
    """Return how often McNemar's test finds a difference at 5 % between equal candidates."""
    pairs = (correct((0.95, 0.95), n, random) for _ in range(repeats))
    return float(np.mean([mcnemar(*pair).p_value < ALPHA for pair in pairs]))


def selection_bias(
    accuracies: tuple[float, ...], searches: int, random: np.random.Generator
) -> tuple[float, float, float]:
    """Return the bias of the winner's validation accuracy, that of the corrected one, coverage."""
    raw, fixed, covered = [], [], []
    for seed in range(searches):
        right = correct(accuracies, 10_000, random)
        candidates = [
            CandidateResult(str(number), "optuna", validation_correct=one)
            for number, one in enumerate(right)
        ]
        winner = int(right.mean(axis=1).argmax())
        estimate = corrected_accuracy(candidates, 0.95, 100, seed)
        raw.append(right[winner].mean() - accuracies[winner])
        fixed.append(estimate.value - accuracies[winner])
        covered.append(covers(estimate, accuracies[winner]))
    return float(np.mean(raw)), float(np.mean(fixed)), float(np.mean(covered))


def rows(repeats: int, searches: int, random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield what was simulated, and the result."""
    for share, n in ((0.9529, 10_000), (0.855, 1_000), (0.99, 1_000), (0.95, 100)):
        name = f"coverage of Wilson's interval, accuracy {share}, {n:,} images"
        yield name, f"{accuracy_coverage(share, n, repeats, random):.1%}"
    yield "coverage of the bootstrap interval of macro F1", f"{f1_coverage(repeats, random):.1%}"
    for pair, n in (((0.95, 0.95), 10_000), ((0.95, 0.94), 10_000), ((0.90, 0.86), 1_000)):
        paired, independent = difference_coverage(pair, n, repeats, random)
        what = f"{pair[0]} and {pair[1]}, {n:,} images"
        yield f"coverage of the paired difference, {what}", f"{paired:.1%}"
        yield f"coverage of the independent difference, {what}", f"{independent:.1%}"
    for n in (1_000, 10_000):
        name = f"false alarms of McNemar's test at 5 %, {n:,} images"
        yield name, f"{false_alarms(n, repeats, random):.1%}"
    for name, accuracies in SEARCHES.items():
        raw, fixed, covered = selection_bias(accuracies, searches, random)
        what = f"of the winner's validation accuracy, {name} candidates"
        yield f"bias {what}", f"{raw:+.5f}"
        yield f"bias {what}, corrected", f"{fixed:+.5f}"
        yield f"coverage of the corrected interval, {name} candidates", f"{covered:.1%}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| simulated | result |\n|---|---|")
    random = np.random.default_rng(options.seed)
    for name, result in rows(options.evaluations, options.searches, random):
        print(f"| {name} | {result} |", flush=True)


if __name__ == "__main__":
    main()
