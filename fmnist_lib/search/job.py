"""Everything a candidate's process needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fmnist_lib.search.result import SearchData

if TYPE_CHECKING:
    from fmnist_lib.config import AnyCandidate, Settings
    from fmnist_lib.search.budget import Budget


@dataclass(frozen=True)
class Job:
    """One candidate, the images it may see and the time it may take.

    Attributes
    ----------
    candidate : AnyCandidate
    data : SearchData
    holdout_share : float
        Share of the training images that scores the trials.
    seconds, refit_seconds : float
        Wall time of search and refit together, and of the refit alone.
    seed : int
    confidence : float
        Of the interval around the validation accuracy.
    """

    candidate: AnyCandidate
    data: SearchData
    holdout_share: float
    seconds: float
    refit_seconds: float
    seed: int
    confidence: float = 0.95


def search_data(dataset: Any) -> SearchData:
    """Return the training and validation images of a dataset; the test images stay outside.

    Parameters
    ----------
    dataset : Dataset
        As `fmnist_lib.data.dataset.load_dataset` gives it.
    """
    return SearchData(
        train_images=dataset.train.images,
        train_labels=dataset.train.labels,
        validation_images=dataset.validation.images,
        validation_labels=dataset.validation.labels,
    )


def make_job(settings: Settings, candidate_id: str, data: SearchData, budget: Budget) -> Job:
    """Put together the job of one configured candidate."""
    return Job(
        candidate=settings.search.candidate(candidate_id),
        data=data,
        holdout_share=settings.search.holdout_share,
        seconds=budget.seconds[candidate_id],
        refit_seconds=budget.refit_seconds,
        seed=settings.seed,
        confidence=settings.evaluation.confidence,
    )
