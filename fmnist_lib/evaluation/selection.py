"""How good the best of many candidates really is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.statistics import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.evaluation.leaderboard import Entry


def corrected_accuracy(
    entries: Sequence[Entry], confidence: float, samples: int, seed: int
) -> Estimate:
    """Accuracy of choosing the best candidate, without the luck of the choice.

    The best of several candidates on the same images is a little too good. In every bootstrap
    sample of the validation images the best candidate is chosen again and scored on the images
    that the sample left out (Tsamardinos, Greasidou and Borboudakis, "Bootstrapping the
    Out-of-sample Predictions for Efficient and Accurate Cross-Validation", Machine Learning 2018).

    Parameters
    ----------
    entries : sequence of Entry
        Failed candidates and baselines do not compete.
    confidence : float in (0, 1)
    samples : int
    seed : int
    """
    correct = np.stack(
        [
            entry.validation_correct
            for entry in entries
            if entry.engine != "baseline" and entry.validation_correct is not None
        ]
    ).astype(np.float32)
    n = correct.shape[1]
    random = np.random.default_rng(seed)
    counts = random.multinomial(n, np.full(n, 1 / n), size=samples).astype(np.float32)
    winners = (correct @ counts.T).argmax(axis=0)
    left_out = (counts == 0).astype(np.float32)
    scores = np.einsum("ij,ij->i", correct[winners], left_out) / left_out.sum(axis=1)
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(scores.mean()), float(low), float(high), confidence)
