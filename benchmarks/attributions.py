"""Attributions of a run's winner: methods compared, and faithfulness per class.

python benchmarks/attributions.py [RUN_ID] [--per-class 20] [--evaluations 800] [--only-classes]

Reads the winner through the Client API; without a run id that of the latest successful run. Takes
about five minutes on two cores when the winner is a kernel. Maps are those of the predicted class,
for random test images of each class; hidden pixels take the mean of 1,000 training images.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metaflow import Flow, Run, namespace

from fmnist_lib.common.labels import CLASS_NAMES, IMAGE_SHAPE, N_CLASSES
from fmnist_lib.common.statistics import t_interval
from fmnist_lib.explain.attribution import mean_image, values_of_class
from fmnist_lib.explain.faithfulness import faithfulness_test
from fmnist_lib.explain.owen import log_odds, owen_values, predict_chunks
from fmnist_lib.explain.similarity import rank_correlation

COMPARED_PER_CLASS, WINDOW, STRIDE = 2, 4, 2


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_id", nargs="?")
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=800)
    parser.add_argument("--only-classes", action="store_true", help="do not compare methods")
    options = parser.parse_args()
    winner, dataset = winner_and_data(options.run_id)
    test = dataset.test
    rng = np.random.default_rng(0)
    groups = [rng.permutation(np.flatnonzero(test.labels == one)) for one in range(N_CLASSES)]
    few = np.concatenate([rows[:COMPARED_PER_CLASS] for rows in groups])
    many = np.concatenate([rows[: options.per_class] for rows in groups])
    hidden = [backgrounds(dataset, seed) for seed in (0, 1)]
    predict_proba = winner.predict_proba
    if not options.only_classes:
        compare_methods(
            predict_proba, test.images[few], test.labels[few], hidden, options.evaluations
        )
    faithfulness_per_class(
        predict_proba, test.images[many], test.labels[many], hidden[0], options.evaluations
    )


def winner_and_data(run_id: str | None):
    """Return the winner of a run, and its data."""
    namespace(None)
    flow = "FashionMnistTrain"
    run = Run(f"{flow}/{run_id}") if run_id else Flow(flow).latest_successful_run
    return run["select"].task.data.winner, run["start"].task.data.dataset


def backgrounds(dataset, seed: int) -> np.ndarray:
    """Return the mean of 1,000 random training images."""
    rows = np.random.default_rng(seed).permutation(len(dataset.train.images))[:1000]
    return mean_image(dataset.train.images[rows])


def compare_methods(predict_proba, images, labels, hidden, evaluations: int) -> None:
    """Print seconds, faithfulness and repeatability of every method."""
    predicted = predict_chunks(predict_proba, images).argmax(axis=1)

    def odds(masked):
        return log_odds(predict_proba(masked))

    def owen_of_odds(n_used, mean):
        return owen_values(odds, images, mean, n_used)[0]

    n = evaluations
    methods = {
        "random values": lambda _: np.random.default_rng(0).random((*images.shape, N_CLASSES)),
        "occlusion of log-odds, windows of 4 x 4": lambda mean: occlusion(odds, images, mean),
        f"shap.PartitionExplainer, {n}": lambda mean: partition(predict_proba, images, mean, n),
        f"shap.PartitionExplainer of log-odds, {n}": lambda mean: partition(odds, images, mean, n),
        f"Owen values, {n}": lambda mean: owen_values(predict_proba, images, mean, n)[0],
    }
    for n_used in (n // 2, n, 2 * n):
        methods[f"Owen values of log-odds, {n_used}"] = partial(owen_of_odds, n_used)
    print("| method, evaluations | seconds | deletion | insertion | two backgrounds |")
    print("|---|---|---|---|---|")
    for name, method in methods.items():
        start = time.perf_counter()
        maps = values_of_class(method(hidden[0]), predicted)
        seconds = time.perf_counter() - start
        again = values_of_class(method(hidden[1]), predicted)
        test = faithfulness_test(predict_proba, images, maps, labels, hidden[0], seed=0)
        deletion, insertion = test.deletion.ranked.mean(), test.insertion.ranked.mean()
        repeated = rank_correlation(maps, again).mean
        print(
            f"| {name} | {seconds:.1f} | {deletion:.3f} | {insertion:.3f} | {repeated:.2f} |",
            flush=True,
        )


def partition(predict, images, hidden, evaluations: int) -> np.ndarray:
    """Return the values of ``shap.PartitionExplainer``, one image after the other."""
    import shap

    def output(batch):
        return predict(batch.reshape(-1, *IMAGE_SHAPE).astype(np.uint8))

    masker = shap.maskers.Image(hidden[..., None], (*IMAGE_SHAPE, 1))
    explainer = shap.PartitionExplainer(output, masker)
    found = explainer(images[..., None], max_evals=evaluations, batch_size=256, silent=True)
    return found.values[:, :, :, 0]


def occlusion(predict, images, hidden) -> np.ndarray:
    """Mean loss of each output over the windows that hide a pixel."""
    corners = range(0, IMAGE_SHAPE[0] - WINDOW + 1, STRIDE)
    original = predict_chunks(predict, images)
    total, count = np.zeros((*images.shape, N_CLASSES)), np.zeros(IMAGE_SHAPE)
    for top in corners:
        for left in corners:
            window = slice(top, top + WINDOW), slice(left, left + WINDOW)
            masked = images.copy()
            masked[:, *window] = hidden[window]
            loss = original - predict_chunks(predict, masked)
            total[:, *window] += loss[:, None, None]
            count[window] += 1
    return total / count[..., None]


def faithfulness_per_class(predict_proba, images, labels, hidden, evaluations: int) -> None:
    """Print the mean probabilities with 95 % intervals, and in how many classes none overlap."""

    def odds(masked):
        return log_odds(predict_proba(masked))

    values, base = owen_values(odds, images, hidden, evaluations)
    outputs = predict_chunks(odds, images)
    error = np.abs(base + values.sum(axis=(1, 2)) - outputs).max()
    maps = values_of_class(values, outputs.argmax(axis=1))
    test = faithfulness_test(predict_proba, images, maps, labels, hidden, seed=0)
    print(f"\n{len(images)} images; largest additivity error {error:.1g}\n")
    print("| class | test | ranked | random | displaced | overlap | paired advantage |")
    print("|---|---|---|---|---|---|---|")
    apart = np.ones((2, N_CLASSES), dtype=bool)
    paired = np.ones((2, N_CLASSES), dtype=bool)
    for row, (name, curves) in enumerate(
        (("deletion", test.deletion), ("insertion", test.insertion))
    ):
        for label in range(N_CLASSES):
            one = labels == label
            ranked, *controls = (
                t_interval(curve[one].mean(axis=1))
                for curve in (curves.ranked, curves.random, curves.displaced)
            )
            apart[row, label] = all(
                ranked.high < control.low if row == 0 else ranked.low > control.high
                for control in controls
            )
            advantage = curves.by_class[label]
            paired[row, label] = advantage.low > 0
            cells = [f"{c.value:.2f} [{c.low:.2f}, {c.high:.2f}]" for c in (ranked, *controls)]
            print(
                f"| {CLASS_NAMES[label]} | {name} | {' | '.join(cells)} | "
                f"{'no' if apart[row, label] else 'yes'} | {advantage.value:+.2f} "
                f"[{advantage.low:.2f}, {advantage.high:.2f}] |"
            )
    print(
        f"\nintervals without overlap: deletion {apart[0].sum()}, insertion {apart[1].sum()}, both "
        f"{apart.all(axis=0).sum()} of {N_CLASSES} classes; paired interval above 0: deletion "
        f"{paired[0].sum()}, insertion {paired[1].sum()}, both {paired.all(axis=0).sum()}"
    )


if __name__ == "__main__":
    main()
