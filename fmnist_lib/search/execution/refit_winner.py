"""From the candidates' results to the fitted winner."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

from fmnist_lib.features.chunks import available_threads
from fmnist_lib.search.engines.ensemble import ENGINE as ENSEMBLE
from fmnist_lib.search.engines.ensemble import vote
from fmnist_lib.search.engines.job import STAGNATION
from fmnist_lib.search.recipes.column_cache import ColumnStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.engines.result import CandidateResult
    from fmnist_lib.search.recipes.search_data import SearchData


def refit_winner(
    winner: CandidateResult,
    results: Sequence[CandidateResult],
    data: SearchData,
    settings: Settings,
    cache: Path,
    *,
    seconds: float = math.inf,
) -> tuple[Any, int]:
    """Fit the winner's pipeline on training and validation images together.

    If there is not enough time to fit on all images, the fit uses fewer; if it would use no more
    than the winner was validated on, that pipeline is returned.

    The features stay those of the training images. What is returned went through a pickle, as
    every stored model does: array layouts change on the way, and with them the last digits, which
    trees can turn into other predictions.

    Parameters
    ----------
    winner : CandidateResult
    results : sequence of CandidateResult
        All candidates: an ensemble is refitted member by member.
    data : SearchData
    settings : Settings
    cache : path
    seconds : float
        Time for the refit; a winner whose search was bounded by trials uses all images anyway.

    Returns
    -------
    pipeline, int
        The fitted pipeline, and the number of images it was fitted on.
    """
    store = ColumnStore(cache, data, settings.seed)
    members = [member for member, _ in members_of(winner, results)]
    n_rows = _affordable_rows(members, len(data.labels), seconds)
    pipelines = [_fit(member, data, store, n_rows) for member in members]
    fitted = pipelines[0]
    if winner.engine == ENSEMBLE:
        fitted = vote(list(zip(winner.params, pipelines, winner.params.values(), strict=True)))
    return pickle.loads(pickle.dumps(fitted)), n_rows  # noqa: S301 (our own)


def members_of(
    winner: CandidateResult, results: Sequence[CandidateResult]
) -> list[tuple[CandidateResult, float]]:
    """Return the members of an ensemble with their weights; a single candidate is its own."""
    if winner.engine != ENSEMBLE:
        return [(winner, 1.0)]
    by_id = {result.id: result for result in results}
    return [(by_id[name], weight) for name, weight in winner.params.items()]


def _affordable_rows(members: Sequence[CandidateResult], most: int, seconds: float) -> int:
    """Return the number of images that there is time to fit all members on."""
    threads = available_threads()
    times = [member.fit_time for member in members if member.fit_time]
    needed = [time.at(most, threads) for time in times]
    if sum(needed) <= seconds:
        return most
    # Every member gets the part of the time that it would need on all images.
    scale = seconds / sum(needed)
    return min(
        time.rows_in(scale * own, most, threads) for time, own in zip(times, needed, strict=True)
    )


def _fit(result: CandidateResult, data: SearchData, store: ColumnStore, n_rows: int) -> Any:
    """Fit on so many rows, unless the validated pipeline was fitted on as many."""
    if n_rows <= result.fit_rows:
        return result.pipeline
    assert result.recipe is not None  # noqa: S101 (a candidate without an error has one)
    # The last rows, which include the validation images: they are new to the recipe.
    rows = slice(len(data.labels) - n_rows, len(data.labels))
    return result.recipe.pipeline(store, result.recipe.fit_learner(store, data, rows))


def early_stop_reason(winner: CandidateResult, results: Sequence[CandidateResult]) -> str | None:
    """Return why the search ended before its time was up; None if any candidate used its time.

    A search that failed may have: its error can be that it ran out of time.
    """
    searched = [result for result in results if result.engine not in ("baseline", "ensemble")]
    stagnated = all(
        not result.failed and (result.stopped or STAGNATION).startswith(STAGNATION)
        for result in searched
    )
    if winner.stopped and stagnated:
        return f"{winner.id} found {winner.stopped}"
    return None
