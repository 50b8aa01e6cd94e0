"""Result of a candidate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fmnist_lib.common.statistics import Estimate


@dataclass(frozen=True)
class LearningPoint:
    """Accuracy after a fit on part of the training images.

    Attributes
    ----------
    rows : int
        Images of the fit.
    accuracy : Estimate
        On held-out training images.
    """

    rows: int
    accuracy: Estimate


@dataclass(frozen=True)
class CandidateResult:
    """One candidate after its search and its refit on the training images.

    Attributes
    ----------
    id, engine : str
    description : str
        The best pipeline in a few words; empty if the candidate failed.
    recipe : Recipe or None
        What the winner is refitted from; None if the candidate failed.
    pipeline : sklearn.pipeline.Pipeline or None
        Fitted on the training images.
    trial_accuracy : float or None
        Of the best trial on held-out training images; optimistic, as the best of many.
    validation_accuracy : Estimate or None
    validation_log_loss : float or None
    validation_correct : ndarray of bool, shape (n_validation,), or None
        For paired comparisons with other candidates.
    validation_probabilities : ndarray of float32, shape (n_validation, n_classes), or None
    params, trials, best_trial, front, importances, stopped, learning_curve
        See `fmnist_lib.search.engines.job.Found`.
    search_seconds, fit_seconds : float
        Wall time of the search, and of the refit on the training images.
    fit_rows : int
        Training images of the refit: all, or as many as the time allowed.
    fit_time : FitTime or None
        Of the refit; None if the search was not bounded by time.
    predict_ms_per_image : float
        On one core in a batch; measured after all searches, nothing else running.
    model_mb : float
        Size of the pickled pipeline in 10**6 bytes.
    error : str or None
        Why the candidate failed.
    """

    id: str
    engine: str
    description: str = ""
    recipe: Any = None
    pipeline: Any = None
    trial_accuracy: float | None = None
    validation_accuracy: Estimate | None = None
    validation_log_loss: float | None = None
    validation_correct: np.ndarray | None = None
    validation_probabilities: np.ndarray | None = None
    params: dict[str, Any] = field(default_factory=dict)
    trials: pd.DataFrame | None = None
    best_trial: int | None = None
    front: pd.DataFrame | None = None
    importances: dict[str, float] = field(default_factory=dict)
    stopped: str | None = None
    learning_curve: tuple[LearningPoint, ...] = ()
    search_seconds: float = 0.0
    fit_seconds: float = 0.0
    fit_rows: int = 0
    fit_time: Any = None
    predict_ms_per_image: float = 0.0
    model_mb: float = 0.0
    error: str | None = None

    @property
    def failed(self) -> bool:
        """True if there is no pipeline to compare."""
        return self.error is not None

    def without_pipeline(self) -> CandidateResult:
        """Return the result without its fitted pipeline, which may take a hundred megabytes."""
        return replace(self, pipeline=None)
