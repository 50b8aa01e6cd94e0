import numpy as np
import pytest
from scipy import stats

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.statistics import wilson
from fmnist_lib.drift.two_sample.ks import ks_per_feature


@pytest.fixture
def tables(rng):
    """Ten columns, three of them shifted by different amounts."""
    reference, current = rng.normal(size=(600, 10)), rng.normal(size=(400, 10))
    current[:, [2, 5, 7]] += [0.15, 0.3, 2.0]
    return reference, current


def test_each_column_is_scipys_test(tables):
    result = ks_per_feature(*tables)
    for column in range(10):
        one = stats.ks_2samp(tables[0][:, column], tables[1][:, column], method="asymp")
        assert result.statistic[column] == pytest.approx(one.statistic)
        assert result.p_values[column] == pytest.approx(one.pvalue)


def test_the_asymptotic_p_value_is_near_the_exact_one(tables):
    result = ks_per_feature(*tables)
    exact = [
        stats.ks_2samp(a, b, method="exact").pvalue
        for a, b in zip(*(t.T for t in tables), strict=True)
    ]
    undecided = np.array(exact) > 1e-4
    assert result.p_values[undecided] == pytest.approx(np.array(exact)[undecided], rel=0.05)


def test_bonferroni_multiplies_by_the_number_of_columns(tables):
    result = ks_per_feature(*tables, alpha=0.05, correction="bonferroni")
    assert result.adjusted_p_values == pytest.approx(np.minimum(10 * result.p_values, 1))
    assert result.rejected.tolist() == (result.p_values <= 0.005).tolist()
    assert result.drifted


def test_benjamini_hochberg_is_the_step_up_procedure_by_hand(tables):
    result = ks_per_feature(*tables, alpha=0.2, correction="benjamini-hochberg")
    order = np.argsort(result.p_values)
    below = [
        place for place in range(10) if result.p_values[order[place]] <= 0.2 * (place + 1) / 10
    ]
    by_hand = np.zeros(10, dtype=bool)
    by_hand[order[: max(below) + 1]] = True
    assert result.rejected.tolist() == by_hand.tolist()
    bonferroni = ks_per_feature(*tables, alpha=0.2, correction="bonferroni")
    assert (result.adjusted_p_values <= bonferroni.adjusted_p_values).all()
    assert (result.adjusted_p_values < bonferroni.adjusted_p_values).any()


def test_the_largest_shift_comes_first(tables):
    assert ks_per_feature(*tables).by_effect[:2].tolist() == [7, 5]


@pytest.mark.parametrize("correction", ["bonferroni", "benjamini-hochberg"])
def test_without_a_shift_about_alpha_of_the_batches_raise_the_alarm(rng, correction):
    alpha, batches = 0.1, 200
    alarms = sum(
        ks_per_feature(
            rng.normal(size=(500, 8)), rng.normal(size=(300, 8)), alpha, correction
        ).drifted
        for _ in range(batches)
    )
    interval = wilson(alarms, batches, confidence=0.999)
    assert interval.low <= alpha <= interval.high


@pytest.mark.parametrize(
    ("reference", "current", "message"),
    [
        (np.zeros((5, 3)), np.zeros((5, 4)), "same columns"),
        (np.zeros(5), np.zeros((5, 1)), "two 2-D arrays"),
        (np.zeros((0, 3)), np.zeros((5, 3)), "at least one row"),
        (np.zeros((5, 0)), np.zeros((5, 0)), "at least one row"),
        (np.zeros((5, 2)), np.array([[0, np.nan]]), "NaN or infinity in current columns 1"),
        (np.array([[np.inf, 0]]), np.zeros((5, 2)), "NaN or infinity in reference columns 0"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(reference, current, message):
    with pytest.raises(DataError, match=message):
        ks_per_feature(reference, current)
