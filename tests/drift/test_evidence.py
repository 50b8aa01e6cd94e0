import numpy as np

from fmnist_lib.drift.evidence import outliers_p_value


def test_a_few_extreme_rows_are_detected(rng):
    reference, current = rng.normal(size=(5000, 20)), rng.normal(size=(500, 20))
    current[:25, 3] = 9.0
    assert outliers_p_value(reference, current) < 1e-6


def test_without_a_shift_the_false_alarm_rate_is_at_most_the_level(rng):
    p_values = [
        outliers_p_value(rng.normal(size=(2000, 10)), rng.normal(size=(300, 10)))
        for _ in range(200)
    ]
    assert 0 < np.mean(np.array(p_values) <= 0.2) <= 0.3


def test_fewer_outliers_and_constant_columns_are_no_alarm(rng):
    assert outliers_p_value(rng.normal(size=(2000, 3)), np.zeros((300, 3))) == 1.0
    assert outliers_p_value(np.zeros((2000, 3)), np.zeros((300, 3))) == 1.0
