"""Measure the contributions of feature blocks and ensemble members on validation images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmnist_lib.common.contributions import Contributions
from fmnist_lib.evaluation.contributions import (
    agreement,
    block_contributions,
    member_contributions,
)
from fmnist_lib.search.engines.ensemble import ENGINE as ENSEMBLE
from fmnist_lib.search.recipes.column_cache import ColumnStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.common.contributions import Contribution
    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.recipes.search_data import SearchData

#: Validation images for the permutation of feature blocks: a kernel takes 1 s for every 2,000.
_MAX_IMAGES = 2_000


def measure_contributions(
    results: Sequence[CandidateResult],
    board: pd.DataFrame,
    data: SearchData,
    settings: Settings,
    cache: Path,
) -> Contributions:
    """Measure what the parts of the best single candidate and of the ensemble add.

    Parameters
    ----------
    results : sequence of CandidateResult
        With the pipelines that were validated, ensembles included.
    board : DataFrame
        The leaderboard, best first.
    data : SearchData
    settings : Settings
    cache : Path
    """
    labels, confidence = data.labels[data.validation_rows], settings.evaluation.confidence
    finished = {result.id: result for result in results if not result.failed}
    probabilities = {
        name: result.validation_probabilities
        for name in board["candidate"]
        if (result := finished.get(name)) and result.validation_probabilities is not None
    }
    singles = board[~board["engine"].isin([ENSEMBLE, "baseline"])]
    # The winner comes first, then the best of the others.
    order = singles.sort_values("status", key=lambda status: status != "winner", kind="stable")
    single = finished[order["candidate"].iloc[0]]
    ensemble = next((one for one in finished.values() if one.engine == ENSEMBLE), None)
    n_images = min(len(labels), _MAX_IMAGES)
    return Contributions(
        n_images=n_images,
        blocks=_blocks(single, data, settings, cache, n_images),
        members=member_contributions(ensemble.params, probabilities, labels, confidence)
        if ensemble
        else (),
        agreement=agreement(
            {
                name: one.argmax(axis=1)
                for name, one in probabilities.items()
                if finished[name].engine != "baseline"
            }
        ),
    )


def _blocks(
    result: CandidateResult, data: SearchData, settings: Settings, cache: Path, n_images: int
) -> tuple[Contribution, ...]:
    recipe = result.recipe
    if recipe is None or not recipe.blocks:
        return ()
    store = ColumnStore(cache / "features", data, settings.seed)
    first = data.validation_rows.start
    rows = slice(first, first + n_images)
    return block_contributions(
        result.pipeline["classify"],
        recipe.columns(store, data, rows),
        {block.name: len(block.parity(store)) for block in recipe.blocks},
        data.labels[rows],
        seed=settings.seed,
        confidence=settings.evaluation.confidence,
    )
