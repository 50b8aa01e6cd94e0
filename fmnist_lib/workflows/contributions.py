"""Measure the contributions of feature blocks and ensemble members on validation images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.contributions import BlockRefits, Contributions
from fmnist_lib.evaluation.contributions import (
    agreement,
    block_contributions,
    member_contributions,
    permuted_answers,
    refit_contributions,
    shapley_contributions,
)
from fmnist_lib.models.kernel import unscaled
from fmnist_lib.search.engines.ensemble import ENGINE as ENSEMBLE
from fmnist_lib.search.recipes.column_cache import ColumnStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.config.training import Settings
    from fmnist_lib.evaluation.contributions import Answers
    from fmnist_lib.search.recipes.search_data import SearchData

#: Validation images for the permutation of feature blocks: a kernel takes 1 s for every 2,000.
_MAX_IMAGES = 2_000
#: Images of the fits without a block, and those they are scored on: 1 to 2 s a fit of a kernel.
_REFIT_IMAGES, _REFIT_SCORED = 8_000, 10_000
#: Blocks with Shapley values: a kernel takes a second for each of the 2^n sets of blocks.
_MAX_SHAPLEY_BLOCKS = 4
#: Level of the blocks' intervals: each is a claim of its own.
_CONFIDENCE = 0.99


def measure_contributions(
    results: Sequence[CandidateResult],
    board: pd.DataFrame,
    data: SearchData,
    settings: Settings,
    cache: Path,
) -> Contributions:
    """Measure what the feature blocks of the candidates and the members of the ensemble add.

    The best single candidate is looked at more closely: it is fitted without each of its blocks as
    well, and gets their Shapley values.

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
    single, *others = (finished[name] for name in order["candidate"] if name in finished)
    ensemble = next((one for one in finished.values() if one.engine == ENSEMBLE), None)
    n_images = min(len(labels), _MAX_IMAGES)
    store = ColumnStore(cache, data, settings.seed)

    def permuted(result: CandidateResult) -> tuple[Answers, list[str]]:
        return _permuted(result, data, store, settings.seed, n_images)

    answers, names = permuted(single) if _recipe_blocks(single) else (None, [])
    return Contributions(
        n_images=n_images,
        blocks=block_contributions(answers, names, _CONFIDENCE) if answers else (),
        shapley=shapley_contributions(answers, names, _CONFIDENCE)
        if answers and 1 < len(names) <= _MAX_SHAPLEY_BLOCKS
        else (),
        others={
            one.id: block_contributions(*permuted(one), _CONFIDENCE)
            for one in others
            if len(_recipe_blocks(one)) > 1
        },
        refits=_refits(single, data, store),
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


def _refits(result: CandidateResult, data: SearchData, store: ColumnStore) -> BlockRefits | None:
    """Fit with all feature blocks, and without each, on a part of the training images."""
    recipe = result.recipe
    if recipe is None or not recipe.blocks[1:]:
        return None
    fitted = data.fit_rows(_REFIT_IMAGES)
    first = data.validation_rows.start
    scored = slice(first, min(first + _REFIT_SCORED, len(data.labels)))

    def correct(names: tuple[str, ...]) -> np.ndarray:
        reduced = replace(recipe, blocks=tuple(one for one in recipe.blocks if one.name in names))
        learner = unscaled(reduced.fit_learner(store, data, fitted))
        answers = learner.predict(reduced.columns(store, data, scored))
        return np.asarray(answers == data.labels[scored])

    names = [block.name for block in recipe.blocks]
    accuracy, blocks = refit_contributions(correct, names, _CONFIDENCE)
    n_fit, n_scored = fitted.stop - fitted.start, scored.stop - scored.start
    return BlockRefits(n_fit, n_scored, accuracy, blocks)


def _recipe_blocks(result: CandidateResult) -> tuple[Any, ...]:
    """Return the feature blocks; none for raw pixels."""
    return result.recipe.blocks if result.recipe else ()


def _permuted(
    result: CandidateResult, data: SearchData, store: ColumnStore, seed: int, n_images: int
) -> tuple[Answers, list[str]]:
    """Return the answers of a pipeline without some of its feature blocks, and their names."""
    recipe = result.recipe
    assert recipe is not None  # noqa: S101 (it has blocks)
    first = data.validation_rows.start
    rows = slice(first, first + n_images)
    widths = {block.name: len(block.parity(store)) for block in recipe.blocks}
    answers = permuted_answers(
        # The scaling was fitted on these images.
        unscaled(result.pipeline["classify"]),
        recipe.columns(store, data, rows),
        widths,
        data.labels[rows],
        seed=seed,
    )
    return answers, list(widths)
