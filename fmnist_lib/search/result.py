"""What a candidate leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fmnist_lib.statistics import Estimate


@dataclass(frozen=True)
class SearchData:
    """Images a candidate may see: it fits on the one part and is compared on the other.

    Attributes
    ----------
    train_images, validation_images : ndarray of uint8, shape (n, 28, 28)
    train_labels, validation_labels : ndarray of uint8, shape (n,)
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray


@dataclass(frozen=True)
class Progress:
    """How far a candidate has come.

    Attributes
    ----------
    phase : str
        "starting", "searching", "refitting" or "validating".
    seconds : float
        Since the candidate started.
    trials : int
        Pipelines tried so far, failed and pruned ones included.
    best : float or None
        Best accuracy of a trial so far, on the rows held out of the sub-sample.
    """

    phase: str
    seconds: float
    trials: int = 0
    best: float | None = None


@dataclass(frozen=True)
class Found:
    """What an engine found: an unfitted pipeline and how it came to it.

    Attributes
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Not fitted; takes raw images.
    params : dict
        Hyper-parameters, plain values.
    trials : DataFrame
        One row a trial: ``number``, ``state`` ("complete", "pruned", "failed" or
        "skipped"), ``value`` (accuracy in [0, 1] or missing), ``seconds`` since the start,
        ``reason`` of a failure, and the parameters.
    description : str
        The pipeline in a few words.
    """

    pipeline: Any
    params: dict[str, Any]
    trials: pd.DataFrame
    description: str


@dataclass(frozen=True)
class CandidateResult:
    """One candidate after its search and its refit on all training images.

    Attributes
    ----------
    id, engine : str
    description : str
        The best pipeline in a few words; empty when the candidate failed.
    pipeline : sklearn.pipeline.Pipeline or None
        Fitted on the training images; None when the candidate failed.
    validation_accuracy : Estimate or None
    validation_log_loss : float or None
    validation_correct : ndarray of bool, shape (n_validation,), or None
        For paired comparisons with other candidates.
    params : dict
    trials : DataFrame or None
    search_seconds, fit_seconds : float
        Wall time of the search, and of the refit on all training images.
    predict_ms_per_image : float
    model_mb : float
        Size of the pickled pipeline in 10**6 bytes.
    error : str or None
        Why the candidate failed.
    """

    id: str
    engine: str
    description: str = ""
    pipeline: Any = None
    validation_accuracy: Estimate | None = None
    validation_log_loss: float | None = None
    validation_correct: np.ndarray | None = None
    params: dict[str, Any] = field(default_factory=dict)
    trials: pd.DataFrame | None = None
    search_seconds: float = 0.0
    fit_seconds: float = 0.0
    predict_ms_per_image: float = 0.0
    model_mb: float = 0.0
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no pipeline to compare."""
        return self.error is not None
