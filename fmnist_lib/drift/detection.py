"""Alarm rates of the drift test for simulated shifts and for no shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.statistics import Estimate, wilson
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.shifts.catalogue import SHIFTS, simulate
from fmnist_lib.drift.two_sample.ks import ks_per_feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fmnist_lib.config.drift import DriftConfig, ShiftName
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

NO_SHIFT = "no shift"
#: Alarm rate from which a simulated shift counts as detected.
RELIABLE = 0.9
_EXAMPLES = 10


@dataclass(frozen=True)
class DetectionRate:
    """Alarms over repeated batches.

    Attributes
    ----------
    name : str
        Name of the shift, or "no shift".
    description : str
        Description of the shift and its severity.
    alarms, repeats : int
    rate : Estimate
        Share of the batches that raised the alarm, with its 95 % Wilson interval.
    statistic : ndarray of shape (n_columns,)
        Median KS statistic of every column over the repeats.
    examples : ndarray of shape (at most 10, 28, 28), uint8
        Shifted images.
    """

    name: str
    description: str
    alarms: int
    repeats: int
    rate: Estimate
    statistic: np.ndarray
    examples: np.ndarray

    @property
    def is_reliable(self) -> bool:
        """True if at least 90 % of the batches raised the alarm."""
        return self.rate.value >= RELIABLE

    @property
    def strongest(self) -> int:
        """Index of the column with the largest median statistic."""
        return int(self.statistic.argmax())

    @property
    def is_shift(self) -> bool:
        """True for a simulated shift (alarms are correct), False for "no shift"."""
        return self.name != NO_SHIFT


def detection_rates(
    reference: Batch,
    held_back: Batch,
    observe: Callable[[np.ndarray], np.ndarray],
    config: DriftConfig,
    *,
    seed: int,
) -> tuple[DetectionRate, ...]:
    """Alarm rate of every configured shift, and of no shift.

    Each shift is applied to (at most ``config.shift_rows`` of) the held-back images and scored
    once; the repeats are random batches of these rows, which therefore overlap. A shift that only
    changes the class mix is not scored again. Without a shift, reference and batch are redrawn,
    disjoint, from all held-out rows, so that the rate does not depend on one reference.

    Parameters
    ----------
    reference : Batch
    held_back : Batch
        Other held-out images.
    observe : callable
        Images to the model's probabilities.
    config : DriftConfig
    seed : int
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(held_back))[: config.shift_rows]
    pool = np.concatenate([reference.columns, held_back.columns])
    source = held_back.rows(rows)
    n = batch_size(config, len(held_back))
    tests = _null_tests(pool, len(reference), n, config, rng)
    examples = source.images[:_EXAMPLES]
    rates = [_rate(NO_SHIFT, "no shift: held-out images as they are", tests, examples)]
    for number, name in enumerate(config.shifts):
        shifted = _shifted(name, source, observe, seed + number)
        tests = _shift_tests(reference.columns, shifted.columns, n, config, rng)
        description = SHIFTS[name].describe(SHIFTS[name].severity)
        rates.append(_rate(name, description, tests, shifted.images[:_EXAMPLES]))
    return tuple(rates)


def batch_size(config: DriftConfig, n_held_back: int) -> int:
    """Return the images of a simulated batch: at most half of those that it is drawn from.

    Random batches of nearly all images would be nearly the same batch.
    """
    return min(config.batch_rows, max(1, min(config.shift_rows, n_held_back) // 2))


def _shifted(
    name: ShiftName, source: Batch, observe: Callable[[np.ndarray], np.ndarray], seed: int
) -> Batch:
    """Shift a batch; images whose pixels stay keep their probabilities."""
    shifted = simulate(name, source.images, source.classes, seed)
    if SHIFTS[name].changes_pixels:
        return Batch(shifted.images, observe(shifted.images))
    return source.rows(shifted.rows)


def _null_tests(
    pool: np.ndarray, n_reference: int, n: int, config: DriftConfig, rng: np.random.Generator
) -> Iterable[TwoSampleResult]:
    for _ in range(config.repeats):
        order = rng.permutation(len(pool))
        drawn, batch = order[:n_reference], order[n_reference:][:n]
        yield ks_per_feature(pool[drawn], pool[batch], config.alpha, config.correction)


def _shift_tests(
    reference: np.ndarray, values: np.ndarray, n: int, config: DriftConfig, rng: np.random.Generator
) -> Iterable[TwoSampleResult]:
    for _ in range(config.repeats):
        batch = values[rng.permutation(len(values))[:n]]
        yield ks_per_feature(reference, batch, config.alpha, config.correction)


def _rate(
    name: str, description: str, tests: Iterable[TwoSampleResult], examples: np.ndarray
) -> DetectionRate:
    results = list(tests)
    alarms = sum(result.drifted for result in results)
    return DetectionRate(
        name=name,
        description=description,
        alarms=alarms,
        repeats=len(results),
        rate=wilson(alarms, len(results)),
        statistic=np.median([result.statistic for result in results], axis=0),
        examples=examples,
    )
