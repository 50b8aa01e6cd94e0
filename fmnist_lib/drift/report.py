"""Drift report of a batch, with the measured detection rates of the test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.drift.columns import default_columns, tested_columns
from fmnist_lib.drift.detection import DetectionRate, detection_rates
from fmnist_lib.drift.figures import drift_pictures
from fmnist_lib.drift.power import PowerRow, power_at, read_power
from fmnist_lib.drift.two_sample.ks import KSResult, ks_per_feature

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch


@dataclass(frozen=True)
class DriftReport:
    """Verdict on a batch, its evidence, and the detection rates of the test.

    Attributes
    ----------
    drifted : bool
    verdict : str
        "no drift found: ..." or "drift: ...".
    columns : tuple of str
        Names of the tested columns: the champion's ten outputs, then named image features.
    ks : KSResult
        One test per column, corrected over all of them.
    n_reference, n_current : int
        Images compared.
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

    drifted: bool
    verdict: str
    columns: tuple[str, ...]
    ks: KSResult
    n_reference: int
    n_current: int
    batch_rows: int
    detection: tuple[DetectionRate, ...]
    power: tuple[PowerRow, ...]
    pictures: tuple[Picture, ...]
    seconds: float

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
    """Compare a batch with the champion's held-out reference.

    Tests the champion's ten outputs (black box shift detection) and named image features,
    corrected over all columns together. Also measures alarm rates for simulated shifts and for
    no shift.

    Parameters
    ----------
    reference : Batch
        Images the champion was *not* fitted on, with its outputs.
    current : Batch
        Images to test: other held-out ones, or new ones.
    observe : callable
        uint8 images (n, 28, 28) to the champion's probabilities (n, 10); scores simulated shifts.
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
    columns = default_columns()
    before = tested_columns(reference.images, reference.probabilities)
    now = tested_columns(current.images, current.probabilities)
    ks = ks_per_feature(before, now, config.alpha, config.correction)
    detection = detection_rates(
        before, held_back or current, tested_columns, observe, config, seed=seed
    )
    pictures = drift_pictures(columns, before, now, ks, detection)
    return DriftReport(
        drifted=ks.drifted,
        verdict=_verdict(ks, columns),
        columns=columns,
        ks=ks,
        n_reference=len(reference),
        n_current=len(current),
        batch_rows=min(config.batch_rows, len(held_back or current)),
        detection=detection,
        power=power_at(len(current), read_power()),
        pictures=pictures,
        seconds=time.perf_counter() - started,
    )


def _verdict(ks: KSResult, columns: tuple[str, ...]) -> str:
    strongest = ks.by_effect[0]
    largest = f"{columns[strongest]} (KS statistic {ks.statistic[strongest]:.3f})"
    if not ks.drifted:
        return (
            f"no drift found: none of {len(columns)} columns differs from the reference; "
            f"the largest difference is in {largest}"
        )
    return (
        f"drift: {int(ks.rejected.sum())} of {len(columns)} columns differ from the reference, "
        f"most of all {largest}"
    )
