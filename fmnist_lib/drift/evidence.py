"""Collect the evidence for a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.drift.degradation import less_accurate, less_confident
from fmnist_lib.drift.outliers import more_outliers

if TYPE_CHECKING:
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.drift.accuracy import AccuracyEstimate
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.calibration import Calibration
    from fmnist_lib.drift.two_sample.result import TwoSampleResult


@dataclass(frozen=True)
class Evidence:
    """Evidence for a verdict.

    Attributes
    ----------
    n : int
        Images in the batch.
    p_values : dict of str to float
        By test, each already corrected for its own columns.
    effect_size : float in [0, 1]
        Largest KS statistic of any column.
    drop : float
        Loss of accuracy, estimated or realised, as a share: 0.05 is five percentage points.
    realised : bool
        Whether the drop was measured with labels.
    reliable : bool
        Whether the drop was measured, or its estimate is reliable.
    """

    n: int
    p_values: dict[str, float]
    effect_size: float
    drop: float
    realised: bool
    reliable: bool

    @property
    def p_value(self) -> float:
        """Smallest p-value, corrected for the number of tests (Bonferroni)."""
        return min(1.0, len(self.p_values) * min(self.p_values.values()))

    @property
    def decisive(self) -> str:
        """The test with the smallest p-value."""
        return min(self.p_values, key=self.p_values.__getitem__)


def gather_evidence(  # noqa: PLR0917 (the parts of the evidence)
    reference: Batch,
    current: Batch,
    calibration: Calibration,
    default: TwoSampleResult,
    estimate: AccuracyEstimate,
    realised: Estimate | None,
) -> Evidence:
    """Test whether the batch differs, and measure effect size and loss of accuracy.

    Parameters
    ----------
    reference, current : Batch
    calibration : Calibration
    default : TwoSampleResult
        Of ``ks-default``.
    estimate : AccuracyEstimate
    realised : Estimate or None
        Replaces the estimate.
    """
    p_values = {
        f"KS of {default.strongest}": default.p_value,
        "outliers": more_outliers(reference.columns, current.columns),
        "lower confidence": less_confident(
            calibration.confidence(reference.probabilities),
            calibration.confidence(current.probabilities),
        ),
    }
    if realised is not None:
        p_values["lower accuracy by labels"] = less_accurate(reference, current)
    accuracy = float((reference.classes == reference.labels).mean())
    return Evidence(
        n=len(current),
        p_values=p_values,
        effect_size=default.effect_size,
        drop=accuracy - (estimate.value if realised is None else realised.value),
        realised=realised is not None,
        reliable=realised is not None or estimate.reliable,
    )
