"""Select images to explain: correct and wrong predictions of every class."""

from __future__ import annotations

import numpy as np

from fmnist_lib.common.labels import N_CLASSES


def select_images(
    labels: np.ndarray, predictions: np.ndarray, per_class: int, seed: int
) -> np.ndarray:
    """Indices of a random sample with the same number of images per true class.

    About a third per class, and at least one, are mistakes if there are any. With one image per
    class, only the class with the most mistakes shows a mistake.

    Parameters
    ----------
    labels, predictions : ndarray of shape (n,)
    per_class : int
    seed : int

    Returns
    -------
    ndarray of shape (at most 10 * per_class,)
        Ordered by class, correct predictions before wrong ones; a class with fewer images
        contributes all.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    is_correct = labels[order] == predictions[order]
    mistakes = np.bincount(labels[predictions != labels], minlength=N_CLASSES)
    chosen = []
    for label in range(N_CLASSES):
        is_class = labels[order] == label
        correct, wrong = order[is_class & is_correct], order[is_class & ~is_correct]
        wanted = max(1, per_class // 3) if per_class > 1 else int(label == mistakes.argmax())
        n_wrong = max(min(wanted, len(wrong)), min(per_class - len(correct), len(wrong)))
        chosen += [correct[: per_class - n_wrong], wrong[:n_wrong]]
    return np.concatenate(chosen)
