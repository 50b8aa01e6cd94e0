"""Assess one batch: tests, accuracy, verdict, and the most similar kind of shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.drift.accuracy import AccuracyEstimate, estimate_accuracy, realised_accuracy
from fmnist_lib.drift.calibration import calibrate
from fmnist_lib.drift.evidence import Evidence, gather_evidence
from fmnist_lib.drift.outliers import rank_outliers
from fmnist_lib.drift.power import PowerRow, power_at, read_power
from fmnist_lib.drift.shift_similarity import ShiftSimilarity, rank_similar_shifts
from fmnist_lib.drift.two_sample.methods import two_sample_test
from fmnist_lib.drift.verdict import Verdict, decide, too_few

if TYPE_CHECKING:
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.config.drift import DriftConfig, TestMethod
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

DEFAULT_TEST: TestMethod = "ks-default"
DOMAIN_TEST: TestMethod = "domain-classifier"


@dataclass(frozen=True, eq=False)
class BatchAssessment:
    """Assessment of one batch.

    Attributes
    ----------
    verdict : {"insufficient_data", "ok", "watch", "retrain"}
    reason : str
        Explanation of the verdict.
    evidence : Evidence or None
        None when the data are insufficient.
    tests : tuple of TwoSampleResult
        ks-default, which the verdict uses, first. Empty when the data are insufficient.
    reference_accuracy : Estimate
        Of the champion on the held-out images.
    estimate : AccuracyEstimate or None
        On the batch, without labels; None when the data are insufficient.
    realised : Estimate or None
        On the batch, when its labels are known; it then replaces the estimate.
    similar_shifts : tuple of ShiftSimilarity
        Kinds of shifts by similarity, most similar first; empty without a significant one.
    outliers : ndarray of int
        Indices of the strongest outliers, strongest first.
    power : tuple of PowerRow
        Power of the default test for batches of this size.
    """

    verdict: Verdict
    reason: str
    evidence: Evidence | None
    tests: tuple[TwoSampleResult, ...]
    reference_accuracy: Estimate
    estimate: AccuracyEstimate | None
    realised: Estimate | None
    similar_shifts: tuple[ShiftSimilarity, ...]
    outliers: np.ndarray
    power: tuple[PowerRow, ...]

    @property
    def p_value(self) -> float | None:
        """Smallest corrected p-value of the evidence; None when no test was run."""
        return None if self.evidence is None else self.evidence.p_value

    @property
    def looks_like(self) -> str:
        """The most similar kind of shift; empty when `similar_shifts` is."""
        return self.similar_shifts[0].kind if self.similar_shifts else ""


def assess_batch(
    reference: Batch, current: Batch, config: DriftConfig, seed: int
) -> BatchAssessment:
    """Assess a batch against the champion's held-out images.

    Parameters
    ----------
    reference : Batch
        Held-out images with labels: the champion was *not* fitted on them.
    current : Batch
        Images to assess; labels are optional.
    config : DriftConfig
    seed : int

    Raises
    ------
    DataError
        The reference has no labels, or an output is not finite.
    """
    accuracy = realised_accuracy(reference)
    if accuracy is None:
        raise DataError(
            "drift: expected a reference with labels, got none. "
            "Give the held-out images with their true classes."
        )
    if len(current) < config.verdict.min_rows:
        return _insufficient(accuracy, current, config)
    methods = dict.fromkeys((DEFAULT_TEST, DOMAIN_TEST, *config.tests))
    tests = {name: two_sample_test(name, reference, current, config, seed) for name in methods}
    calibration = calibrate(reference, seed)
    estimate = estimate_accuracy(reference, current, calibration, tests[DOMAIN_TEST])
    realised = realised_accuracy(current)
    evidence = gather_evidence(
        reference, current, calibration, tests[DEFAULT_TEST], estimate, realised
    )
    verdict, reason = decide(evidence, config.verdict)
    return BatchAssessment(
        verdict=verdict,
        reason=reason,
        evidence=evidence,
        tests=tuple(tests.values()),
        reference_accuracy=accuracy,
        estimate=estimate,
        realised=realised,
        similar_shifts=rank_similar_shifts(reference, current, seed) if verdict != "ok" else (),
        outliers=rank_outliers(reference.columns, current.columns),
        power=power_at(len(current), read_power()),
    )


def _insufficient(accuracy: Estimate, current: Batch, config: DriftConfig) -> BatchAssessment:
    return BatchAssessment(
        verdict="insufficient_data",
        reason=too_few(len(current), config.verdict),
        evidence=None,
        tests=(),
        reference_accuracy=accuracy,
        estimate=None,
        realised=realised_accuracy(current),
        similar_shifts=(),
        outliers=np.empty(0, dtype=np.intp),
        power=(),
    )
