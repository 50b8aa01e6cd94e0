"""From the candidates' results to one fitted champion."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

from fmnist_lib.config.search import EnsembleCandidate
from fmnist_lib.features.chunks import available_threads
from fmnist_lib.search.engines.ensemble import ENGINE as ENSEMBLE
from fmnist_lib.search.engines.ensemble import ensemble, vote
from fmnist_lib.search.execution.clock import MARGIN
from fmnist_lib.search.execution.result import CandidateResult
from fmnist_lib.search.recipes.column_cache import ColumnStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.recipes.search_data import SearchData

#: Seconds of a refit that do not grow with its rows as the fit does: reading the columns, and the
#: round trip through a pickle.
_FIXED_SECONDS = 1.0


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
    *,
    seconds: float = math.inf,
) -> tuple[Any, int]:
    """Fit the winner's pipeline on training and validation images together.

    Where the time does not allow all images, the fit takes as many as it does; where it would be
    no more than the winner was validated on, that pipeline is the champion.

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
    seconds : float
        Time for the refit; a winner whose search was bounded by trials takes all images anyway.

    Returns
    -------
    pipeline, int
        The fitted pipeline, and the number of images it was fitted on.
    """
    store = ColumnStore(cache / "features", data, settings.seed)
    seconds -= _FIXED_SECONDS
    if winner.engine == ENSEMBLE:
        by_id = {result.id: result for result in results}
        chosen = [by_id[name] for name in winner.params]
        # Of the time each gets as much as it needs beside the others.
        total = sum(_whole_refit(result, data) for result in chosen)
        n_rows = min(
            _affordable(result, data, seconds * _whole_refit(result, data) / max(total, 1e-9))
            for result in chosen
        )
        members = [
            (name, _with_most_rows(by_id[name], data, store, n_rows), weight)
            for name, weight in winner.params.items()
        ]
        champion = vote(members)
    else:
        n_rows = _affordable(winner, data, seconds)
        champion = _with_most_rows(winner, data, store, n_rows)
    return pickle.loads(pickle.dumps(champion)), n_rows  # noqa: S301 (our own)


def _affordable(result: CandidateResult, data: SearchData, seconds: float) -> int:
    """Images that there is time to fit on."""
    most = len(data.labels)
    if result.fit_time is None or math.isinf(seconds):
        return most
    return result.fit_time.rows_in(seconds / MARGIN, most, available_threads())


def _whole_refit(result: CandidateResult, data: SearchData) -> float:
    """Estimated seconds of a refit on all images."""
    fit_time = result.fit_time
    return fit_time.at(len(data.labels), available_threads()) if fit_time else 0.0


def _with_most_rows(
    result: CandidateResult, data: SearchData, store: ColumnStore, n_rows: int
) -> Any:
    """Fit on so many rows, unless the validated pipeline was fitted on as many."""
    from threadpoolctl import threadpool_limits

    if n_rows <= result.fit_rows:
        return result.pipeline
    assert result.recipe is not None  # noqa: S101 (a candidate without an error has one)
    # From the end, where the validation images are: they are new to the recipe.
    rows = slice(len(data.labels) - n_rows, len(data.labels))
    # One BLAS thread, as in the search: more could give other digits. A kernel uses all
    # processors with the same result.
    with threadpool_limits(1):
        learner = result.recipe.fit_learner(store, data, rows)
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
