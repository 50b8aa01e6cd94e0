"""Progress and result of a candidate."""

from __future__ import annotations

from dataclasses import dataclass

from fmnist_lib.common.candidate_result import CandidateResult

__all__ = ["CandidateResult", "Progress"]


@dataclass(frozen=True)
class Progress:
    """State of a running candidate.

    Attributes
    ----------
    phase : str
        "searching" or "refitting".
    seconds : float
        Since the candidate started.
    trials : int
        Pipelines tried so far, failed and pruned ones included.
    best : float or None
        Accuracy of the best trial so far, on held-out training images.
    """

    phase: str
    seconds: float
    trials: int = 0
    best: float | None = None
