"""Cross-fit the winner: every training image is predicted by a fit without it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.common.out_of_fold import OutOfFold
from fmnist_lib.common.sampling import stratified_rows
from fmnist_lib.search.engines.dask_client import joblib_on_cluster
from fmnist_lib.search.execution.refit_winner import members_of
from fmnist_lib.search.recipes.column_cache import ColumnStore
from fmnist_lib.search.recipes.recipe import fit_quietly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.engines.result import CandidateResult
    from fmnist_lib.search.recipes.search_data import SearchData


def cross_fit(
    winner: CandidateResult,
    results: Sequence[CandidateResult],
    data: SearchData,
    settings: Settings,
    cache: Path,
) -> OutOfFold:
    """Predict training and validation images out of fold, with the winner's recipe.

    The learner of every member is fitted anew on the other folds. The features are not: they were
    fitted on images without their labels. No test image is used. The folds are fitted one after
    the other, or side by side on the Dask cluster that the settings name.

    Parameters
    ----------
    winner : CandidateResult
    results : sequence of CandidateResult
        All candidates: of an ensemble every member is cross-fitted.
    data : SearchData
    settings : Settings
        ``cross_fit``: number of folds and of images; ``seed``: of the sample and the folds.
    cache : path

    References
    ----------
    Chernozhukov et al., "Double/debiased machine learning", 2018 (cross-fitting).
    """
    started, config, seed = time.monotonic(), settings.cross_fit, settings.seed
    rows = np.arange(len(data.labels))
    if config.rows is not None:
        rows = stratified_rows(data.labels, config.rows, np.random.default_rng(seed))
    labels = data.labels[rows]
    fold = _folds(labels, config.folds, seed)
    store = ColumnStore(cache, data, seed)
    probabilities = np.zeros((len(rows), N_CLASSES), dtype=np.float32)
    for member, weight in members_of(winner, results):
        recipe = member.recipe
        assert recipe is not None  # noqa: S101 (a candidate without an error has one)
        columns = recipe.columns(store, data, data.all_rows)
        learner = recipe.unfitted_learner(store)
        with joblib_on_cluster(settings.search.dask_scheduler):
            predicted = Parallel()(
                delayed(_predict_fold)(learner, columns, labels, rows, held_out)
                for held_out in _held_out(fold)
            )
        for held_out, found in zip(_held_out(fold), predicted, strict=True):
            probabilities[held_out] += np.float32(weight) * found
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    order = np.argsort(data.numbers[rows])
    return OutOfFold(
        probabilities=probabilities[order],
        labels=labels[order],
        numbers=data.numbers[rows][order],
        fold=fold[order],
        n_folds=config.folds,
        n_available=len(data.labels),
        seconds=time.monotonic() - started,
    )


def _folds(labels: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Return the fold of every row; a class with fewer rows than folds is missing in some."""
    fold = np.empty(len(labels), dtype=np.uint8)
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(labels, labels)):
        fold[held_out] = number
    return fold


def _held_out(fold: np.ndarray) -> Iterator[np.ndarray]:
    for number in range(int(fold.max()) + 1):
        yield fold == number


def _predict_fold(
    learner: Any, columns: np.ndarray, labels: np.ndarray, rows: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
    """Return the probabilities of a fold by a fit on the others."""
    # One BLAS thread, as in the search: more could give other digits.
    with threadpool_limits(1):
        fitted = fit_quietly(clone(learner), columns[rows[~held_out]], labels[~held_out])
        return _all_classes(fitted, columns[rows[held_out]])


def _all_classes(learner: Any, columns: np.ndarray) -> np.ndarray:
    """Return the probabilities of all classes; 0 for those the learner has not seen."""
    found = np.zeros((len(columns), N_CLASSES), dtype=np.float32)
    found[:, learner.classes_] = learner.predict_proba(columns)
    return found
