"""Which images are worth explaining: of every class some right and some wrong answers."""

from __future__ import annotations

import numpy as np

from fmnist_lib.labels import N_CLASSES


def select_images(
    labels: np.ndarray, predictions: np.ndarray, per_class: int, seed: int
) -> np.ndarray:
    """Rows of a random choice of images, the same number of every true class.

    About a third of a class, and at least one, are mistakes if there are any. With a single image
    a class only the class with the most mistakes is shown by one.

    Parameters
    ----------
    labels, predictions : ndarray of shape (n,)
    per_class : int
    seed : int

    Returns
    -------
    ndarray of shape (at most 10 * per_class,)
        Ordered by class, right answers before wrong ones; a class with fewer images than asked
        for gives all it has.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    right = labels[order] == predictions[order]
    mistakes = np.bincount(labels[predictions != labels], minlength=N_CLASSES)
    chosen = []
    for label in range(N_CLASSES):
        is_class = labels[order] == label
        correct, wrong = order[is_class & right], order[is_class & ~right]
        wanted = max(1, per_class // 3) if per_class > 1 else int(label == mistakes.argmax())
        n_wrong = max(min(wanted, len(wrong)), min(per_class - len(correct), len(wrong)))
        chosen += [correct[: per_class - n_wrong], wrong[:n_wrong]]
    return np.concatenate(chosen)
