"""From the candidates' results to one fitted champion."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from fmnist_lib.config import EnsembleCandidate
from fmnist_lib.search.columns import ColumnStore
from fmnist_lib.search.ensemble import ENGINE as ENSEMBLE
from fmnist_lib.search.ensemble import ensemble, vote
from fmnist_lib.search.result import CandidateResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmnist_lib.config import Settings
    from fmnist_lib.search.data import SearchData


def with_ensembles(
    results: Sequence[CandidateResult], data: SearchData, settings: Settings
) -> list[CandidateResult]:
    """Add the candidates that are made of the others.

    Parameters
    ----------
    results : sequence of CandidateResult
    data : SearchData
    settings : Settings
    """
    labels = data.labels[data.validation_rows]
    confidence = settings.evaluation.confidence
    votes = [
        ensemble(candidate, results, labels, settings.seed, confidence)
        for candidate in settings.search.candidates
        if isinstance(candidate, EnsembleCandidate)
    ]
    return [*results, *votes]


def refit(
    winner: CandidateResult,
    results: Sequence[CandidateResult],
    data: SearchData,
    settings: Settings,
    cache: Path,
) -> Any:
    """Return the winner's pipeline fitted on training and validation images together.

    The features stay those of the training images. What is returned went through a pickle, as
    everything that is shipped does: array layouts change on the way, and with them the last
    digits, which trees turn into other answers.

    Parameters
    ----------
    winner : CandidateResult
    results : sequence of CandidateResult
        All candidates: an ensemble is refitted member by member.
    data : SearchData
    settings : Settings
    cache : path
    """
    store = ColumnStore(cache / "features", data, settings.seed)
    if winner.engine == ENSEMBLE:
        by_id = {result.id: result for result in results}
        members = [
            (name, _refitted(by_id[name], data, store), weight)
            for name, weight in winner.params.items()
        ]
        champion = vote(members)
    else:
        champion = _refitted(winner, data, store)
    return pickle.loads(pickle.dumps(champion))  # noqa: S301 (our own)


def _refitted(result: CandidateResult, data: SearchData, store: ColumnStore) -> Any:
    from threadpoolctl import threadpool_limits

    assert result.recipe is not None  # noqa: S101 (a candidate without an error has one)
    # One BLAS thread, as in the search: more could give other digits. A kernel uses all
    # processors with the same result.
    with threadpool_limits(1):
        learner = result.recipe.fit_learner(store, data, data.all_rows)
    return result.recipe.pipeline(store, learner)


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
