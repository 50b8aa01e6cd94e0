"""From the candidates' results to one fitted champion."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.search.candidate import fit
from fmnist_lib.search.result import CandidateResult

if TYPE_CHECKING:
    from fmnist_lib.config import Settings
    from fmnist_lib.search.result import SearchData


def refit(pipeline: Any, data: SearchData, threads: int) -> Any:
    """Return the pipeline fitted on training and validation images together.

    What is returned went through a pickle, as everything that is shipped does: array layouts
    change on the way, and with them the last digits, which trees turn into other answers.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Stays as it is.
    data : SearchData
    threads : int
        As many as the candidate had: then the refit takes as long as the candidate's own.
    """
    from threadpoolctl import threadpool_limits

    images = np.concatenate([data.train_images, data.validation_images])
    labels = np.concatenate([data.train_labels, data.validation_labels])
    with threadpool_limits(threads):
        return pickle.loads(pickle.dumps(fit(pipeline, images, labels)))  # noqa: S301 (our own)


def result_or_failure(
    settings: Settings, candidate_id: str, result: CandidateResult | None, failure: object
) -> CandidateResult:
    """Return the result of a candidate, or one that says why its whole task has none.

    Parameters
    ----------
    settings : Settings
    candidate_id : str
    result : CandidateResult or None
        None when the task itself died before it could leave a result.
    failure : object
        What is known about the death.
    """
    if result is not None:
        return result
    engine = settings.search.candidate(candidate_id).engine
    reason = f"its task died: {failure or 'no reason known'}"
    return CandidateResult(id=candidate_id, engine=engine, error=reason)
