"""Drift report of a batch, with the measured detection rates of the test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.drift.detection import DetectionRate, batch_size, detection_rates
from fmnist_lib.drift.figures import drift_pictures
from fmnist_lib.drift.power import PowerRow, power_at, read_power
from fmnist_lib.drift.two_sample.univariate import ks_test

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.two_sample.result import TwoSampleResult


@dataclass(frozen=True)
class DriftReport:
    """Test of a batch, and the measured detection rates of the test.

    Attributes
    ----------
    ks : TwoSampleResult
        One test per column, corrected over all of them: the model's ten outputs, then named
        image features.
    batch_rows : int
        Images in each batch of `detection`.
    detection : tuple of DetectionRate
        "no shift" first (its rate is that of false alarms), then every simulated shift.
    power : tuple of PowerRow
        Rows of the power study for batches of this size.
    pictures : tuple of Picture
    seconds : float
        Wall time.
    """

    ks: TwoSampleResult
    batch_rows: int
    detection: tuple[DetectionRate, ...]
    power: tuple[PowerRow, ...]
    pictures: tuple[Picture, ...]
    seconds: float

    @property
    def finding(self) -> str:
        """The result as a sentence: "no drift found: ..." or "drift: ..."."""
        n_columns = len(self.ks.columns)
        largest = f"{self.ks.strongest} (KS statistic {self.ks.statistic.max():.3f})"
        if not self.ks.drifted:
            return (
                f"no drift found: none of {n_columns} columns differs from the reference; "
                f"the largest difference is in {largest}"
            )
        return (
            f"drift: {int(self.ks.rejected.sum())} of {n_columns} columns differ from the "
            f"reference, most of all {largest}"
        )

    @property
    def false_alarms(self) -> DetectionRate:
        """Alarm rate when nothing has shifted."""
        return self.detection[0]


def detect_drift(
    reference: Batch,
    current: Batch,
    observe: Callable[[np.ndarray], np.ndarray],
    config: DriftConfig,
    seed: int,
    *,
    held_back: Batch | None = None,
) -> DriftReport:
    """Compare a batch with the model's held-out reference.

    Tests the model's ten outputs (black box shift detection) and named image features,
    corrected over all columns together. Also measures alarm rates for simulated shifts and for
    no shift.

    Parameters
    ----------
    reference : Batch
        Images the model was *not* fitted on, with its outputs.
    current : Batch
        Images to test: other held-out ones, or new ones.
    observe : callable
        uint8 images (n, 28, 28) to the model's probabilities (n, 10); scores simulated shifts.
    config : DriftConfig
    seed : int
    held_back : Batch, optional
        Held-out images that shifts are simulated on; default: the current ones, valid only if
        they are held-out ones too.

    Raises
    ------
    DataError
        A probability is not finite.

    References
    ----------
    Lipton, Wang, Smola, "Detecting and Correcting for Label Shift with Black Box Predictors",
    ICML 2018.
    Rabanser, Günnemann, Lipton, "Failing Loudly", NeurIPS 2019.
    """
    started = time.perf_counter()
    held_back = held_back or current
    ks = ks_test("ks-default", reference, current, config, seed)
    detection = detection_rates(reference, held_back, observe, config, seed=seed)
    return DriftReport(
        ks=ks,
        batch_rows=batch_size(config, len(held_back)),
        detection=detection,
        power=power_at(len(current), read_power()),
        pictures=drift_pictures(reference.columns, current.columns, ks, detection),
        seconds=time.perf_counter() - started,
    )
