"""Count the planted label errors that the audit finds, and measure what undoing them brings.

python benchmarks/label_audit.py RUN [--seed 0]

Takes the winner's recipe and the images of a finished run, replaces labels at random, audits them
as the flow does, and prints:

- 2 % replaced by any other class: precision of the ranking where its recall is 80 %;
- 2 % replaced within the four classes that are hard to tell apart: precision among as many as were
  replaced, beside the ranking by cleanlab's default score;
- 5 % replaced: accuracy on 12,000 held-out images with true labels after a fit on the labels as
  published, on the replaced ones, and on those with the audit's likely errors and as many further
  suspects as were replaced set to the suggested label; each without and with ``min_margin``;
- the suspects of the labels as published.

No test image is used.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from cleanlab.rank import get_label_quality_scores
from metaflow import Run, namespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.loading import validate_settings
from fmnist_lib.label_audit.audit import audit_labels
from fmnist_lib.search.execution.cross_fit import cross_fit
from fmnist_lib.search.recipes.column_cache import ColumnStore
from fmnist_lib.search.recipes.search_data import search_data

CONFUSABLE = np.array([0, 2, 4, 6])  # T-shirt/top, Pullover, Coat, Shirt
N_HELD_OUT = 12_000


class Setting:
    """The winner's recipe and the images of a run."""

    def __init__(self, run: str) -> None:
        namespace(None)
        selected = Run(f"FashionMnistTrain/{run}")["select"].task.data
        self.settings = validate_settings(selected.resolved_config, "configuration of the run")
        board = selected.leaderboard
        # Of an ensemble the best single candidate.
        single = board[~board["engine"].isin(["ensemble", "baseline"])]["candidate"].iloc[0]
        self.winner = next(one for one in selected.results if one.id == single)
        seed, share = self.settings.seed, self.settings.search.holdout_share
        self.data = search_data(selected.dataset, share, seed)
        self.cache = PROJECT_ROOT / ".cache"
        store = ColumnStore(self.cache, self.data, seed)
        self.columns = self.winner.recipe.columns(store, self.data, self.data.all_rows)
        self.learner = self.winner.recipe.unfitted_learner(store)
        self.order = np.argsort(self.data.numbers)

    def audit(self, labels):
        """Return the audit of these labels, the out-of-fold answers, and the seconds."""
        started = time.monotonic()
        data = replace(self.data, labels=labels)
        found = cross_fit(self.winner, [self.winner], data, self.settings, self.cache)
        order = self.order
        audit = audit_labels(found, data.images[order], self.columns[order], self.settings)
        return audit, found, time.monotonic() - started

    def accuracy(self, labels, rows, held_out, **parameters):
        """Accuracy on held-out images with the labels as published."""
        from sklearn.base import clone

        learner = clone(self.learner).set_params(**parameters)
        learner.fit(self.columns[rows], labels[rows])
        answers = learner.predict(self.columns[held_out])
        return float((answers == self.data.labels[held_out]).mean())


def replaced(labels, share, rng, among=None):
    """Return a copy in which a share of all labels is another class."""
    labels = labels.copy()
    n = round(share * len(labels))
    classes = np.arange(10) if among is None else among
    rows = rng.choice(np.flatnonzero(np.isin(labels, classes)), n, replace=False)
    labels[rows] = [rng.choice(classes[classes != label]) for label in labels[rows]]
    return labels


def precision_at_recall(wrong, recall):
    """Precision of a ranking where it has found this share of the wrong labels."""
    found = np.cumsum(wrong)
    last = int(np.searchsorted(found, recall * wrong.sum()))
    return found[last] / (last + 1)


def ranking(audit, found, wrong):
    """Return whether the labels are wrong: suspects first, then all others by their probability."""
    own = found.probabilities[np.arange(len(found.labels)), found.labels]
    suspects = np.searchsorted(found.numbers, audit.suspects["image"])
    rest = np.setdiff1d(np.argsort(own, kind="stable"), suspects, assume_unique=True)
    return wrong[np.concatenate([suspects, rest[np.argsort(own[rest], kind="stable")]])]


def planted(setting, name, share, among, rng):
    """Print how many of the replaced labels are found."""
    labels = replaced(setting.data.labels, share, rng, among)
    audit, found, seconds = setting.audit(labels)
    wrong = (labels != setting.data.labels)[setting.order]
    ranked, n = ranking(audit, found, wrong), int(wrong.sum())
    default = get_label_quality_scores(found.labels, np.maximum(found.probabilities, 1e-9))
    print(
        f"{name}: {n} labels replaced; audit {seconds:.0f} s; {len(audit.suspects)} suspects, "
        f"{audit.count('likely error')} likely errors\n"
        f"  precision at recall 0.80: {precision_at_recall(ranked, 0.8):.3f}; precision among the "
        f"first {n}: {ranked[:n].mean():.3f}, cleanlab's default score "
        f"{wrong[np.argsort(default, kind='stable')][:n].mean():.3f}",
        flush=True,
    )
    return labels, audit


def undone(setting, rng):
    """Print what setting the suspects to their suggested labels brings."""
    published = setting.data.labels
    labels, audit = planted(setting, "5 % of any class", 0.05, None, rng)
    n = int((labels != published).sum())
    first = audit.suspects.iloc[:n]
    corrected = labels.copy()
    rows = setting.order[np.searchsorted(setting.data.numbers[setting.order], first["image"])]
    corrected[rows] = [CLASS_NAMES.index(name) for name in first["suggested"]]
    shuffled = rng.permutation(len(labels))
    held_out, rows = shuffled[:N_HELD_OUT], shuffled[N_HELD_OUT:]
    for min_margin in (-np.inf, -0.8):
        parts = {"published": published, "replaced": labels, "corrected": corrected}
        got = {
            name: setting.accuracy(one, rows, held_out, min_margin=min_margin)
            for name, one in parts.items()
        }
        cost, back = got["published"] - got["replaced"], got["corrected"] - got["replaced"]
        print(
            f"  min_margin {min_margin:g}: {got}; cost {cost:.4f}, won back {back:.4f}", flush=True
        )


def main() -> None:
    """Run the cases one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    setting, rng = Setting(options.run), np.random.default_rng(options.seed)
    planted(setting, "2 % of any class", 0.02, None, rng)
    planted(setting, "2 % among four classes", 0.02, CONFUSABLE, rng)
    undone(setting, rng)
    audit, _, seconds = setting.audit(setting.data.labels)
    print(f"labels as published: {len(audit.suspects)} suspects, audit {seconds:.0f} s")
    print(audit.suspects.head(20).to_string(index=False))


if __name__ == "__main__":
    main()
