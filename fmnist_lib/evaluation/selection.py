"""Selection-bias-corrected accuracy of the winner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.common.statistics import Estimate


def corrected_accuracy(
    candidates: Sequence[CandidateResult], confidence: float, samples: int, seed: int
) -> Estimate:
    """Accuracy of the selected candidate, corrected for selection bias.

    The validation accuracy of the best of several candidates is optimistic. In every bootstrap
    sample of the validation images the best candidate is selected again and scored on the
    out-of-bag images (Tsamardinos, Greasidou and Borboudakis, "Bootstrapping the
    Out-of-sample Predictions for Efficient and Accurate Cross-Validation", Machine Learning 2018).
    The interval is Wilson's at the corrected accuracy: the quantiles of the out-of-bag scores,
    which rest on 37 % of the images each, would cover in 99 instead of 95 % of searches
    (`benchmarks/simulations.py`).

    Parameters
    ----------
    candidates : sequence of CandidateResult
        Those from which the winner was selected: `selected_among`.
    confidence : float in (0, 1)
    samples : int
    seed : int
    """
    correct = np.stack(
        [
            candidate.validation_correct
            for candidate in candidates
            if candidate.validation_correct is not None
        ]
    ).astype(np.float32)
    n = correct.shape[1]
    random = np.random.default_rng(seed)
    counts = random.multinomial(n, np.full(n, 1 / n), size=samples).astype(np.float32)
    winners = (correct @ counts.T).argmax(axis=0)
    out_of_bag = (counts == 0).astype(np.float32)
    scores = np.einsum("ij,ij->i", correct[winners], out_of_bag) / out_of_bag.sum(axis=1)
    value = float(scores.mean())
    return replace(wilson(round(value * n), n, confidence), value=value)
