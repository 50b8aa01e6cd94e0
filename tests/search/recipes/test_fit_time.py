from __future__ import annotations

import time

import pytest

from fmnist_lib.search.recipes.fit_time import MARGIN, FitTime, Stopwatch


def test_a_fit_grows_with_a_power_of_the_rows():
    fit = FitTime(rows=1000, seconds=2.0, growth=2.0)
    assert fit.at(3000) == pytest.approx(18 * MARGIN)
    assert fit.rows_in(18 * MARGIN + 1e-9, most=10_000) == 3000
    assert fit.rows_in(18, most=2000) == 2000
    assert fit.rows_in(0.1, most=2000) == 1000  # what was measured is possible


def test_threads_help_only_what_runs_on_them():
    serial, parallel = FitTime(1000, 2.0, 1.0), FitTime(1000, 2.0, 1.0, parallel=True)
    assert serial.at(1000, threads=4) == serial.at(1000)
    assert parallel.at(1000, threads=2) < parallel.at(1000)


def test_what_was_measured_on_two_threads_takes_longer_on_one():
    fit = FitTime(1000, 2.0, 1.0, parallel=True, threads=2)
    assert fit.at(1000) > fit.at(1000, threads=2)


def test_work_that_waits_counts_as_one_thread():
    watch = Stopwatch()
    time.sleep(0.05)
    seconds, threads = watch.read()
    assert seconds >= 0.05
    assert threads == 1.0


def test_half_the_time_on_a_second_thread_is_an_estimate_between_one_and_two():
    mixed = FitTime(1000, 2.0, 1.0, parallel=True, threads=1.5).at(1000, threads=2)
    alone = FitTime(1000, 2.0, 1.0, parallel=True, threads=1).at(1000, threads=2)
    assert alone < mixed < 2.0 * MARGIN
