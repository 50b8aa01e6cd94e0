from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.statistics import independent_difference, paired_difference, wilson


def test_a_difference_of_equal_predictions_is_zero_within_its_interval():
    correct = np.arange(100) < 90
    estimate = paired_difference(correct, correct)
    assert estimate.value == 0
    assert estimate.low < 0 < estimate.high


def test_the_sign_is_that_of_first_minus_second():
    better, worse = np.arange(1000) < 900, np.arange(1000) < 850
    paired = paired_difference(better, worse)
    independent = independent_difference(wilson(900, 1000), wilson(850, 1000))
    assert [paired.value, independent.value] == pytest.approx([0.05, 0.05])
    assert 0 < paired.low < 0.05 < paired.high
    # The same images tell two models apart better than as many others.
    assert independent.low < paired.low < paired.high < independent.high


@pytest.mark.parametrize("n", [50, 500])
def test_the_intervals_cover_the_true_difference(n):
    """Of 4,000 simulated comparisons of accuracies 0.93 and 0.90, 95 % intervals cover 0.03."""
    rng = np.random.default_rng(0)
    covered = np.zeros(2)
    for _ in range(4000):
        draws = rng.random(n)
        first = draws < 0.93
        second = np.where(rng.random(n) < 0.8, draws < 0.90, rng.random(n) < 0.90)
        other = int(rng.binomial(n, 0.90))
        intervals = (
            paired_difference(first, second),
            independent_difference(wilson(int(first.sum()), n), wilson(other, n)),
        )
        covered += [one.low <= 0.03 <= one.high for one in intervals]
    assert (covered / 4000 > 0.935).all()
    assert (covered / 4000 < 0.985).all()
