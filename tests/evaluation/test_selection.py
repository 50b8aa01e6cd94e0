from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.evaluation.selection import corrected_accuracy
from fmnist_lib.search.engines.result import CandidateResult


def entries(correct):
    return [
        CandidateResult(f"c{i}", "optuna", validation_correct=row) for i, row in enumerate(correct)
    ]


def test_the_selection_bias_of_the_best_of_many_is_removed():
    """Forty candidates, all with accuracy 0.9."""
    correct = np.random.default_rng(0).random((40, 500)) < 0.9
    estimate = corrected_accuracy(entries(correct), 0.95, 500, seed=0)
    assert correct.mean(axis=1).max() > 0.92
    assert estimate.value < correct.mean(axis=1).max() - 0.005
    assert estimate.low < 0.9 < estimate.high


def test_a_single_candidate_keeps_its_accuracy():
    correct = np.random.default_rng(0).random((1, 2000)) < 0.8
    estimate = corrected_accuracy(entries(correct), 0.95, 500, seed=0)
    assert estimate.value == pytest.approx(correct.mean(), abs=0.003)
