"""Cross-fit the winner on the training images: audit of labels, calibration of sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.evaluation.conformal import calibrate, evaluate_sets
from fmnist_lib.evaluation.leaderboard import select_winner
from fmnist_lib.label_audit.audit import audit_labels
from fmnist_lib.search.execution.cross_fit import cross_fit
from fmnist_lib.search.execution.refit_winner import members_of
from fmnist_lib.search.recipes.column_cache import ColumnStore
from fmnist_lib.search.recipes.search_data import search_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmnist_lib.common.conformal import ConformalCalibration
    from fmnist_lib.common.out_of_fold import OutOfFold
    from fmnist_lib.common.prediction_sets import PredictionSets
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.label_audit.result import LabelAudit
    from fmnist_lib.search.engines.result import CandidateResult


@dataclass(frozen=True)
class CrossFitted:
    """Out-of-fold probabilities and audit; every field is an artifact of the step `cross_fit`.

    Attributes
    ----------
    out_of_fold : OutOfFold
    label_audit : LabelAudit
    conformal : ConformalCalibration
        Of the winner's prediction sets.
    prediction_sets : PredictionSets
        Of the test images.
    """

    out_of_fold: OutOfFold
    label_audit: LabelAudit
    conformal: ConformalCalibration
    prediction_sets: PredictionSets


def cross_fit_and_audit(
    results: Sequence[CandidateResult],
    dataset: Dataset,
    settings: Settings,
    cache: Path,
    *,
    test_probabilities: np.ndarray,
) -> CrossFitted:
    """Predict every training image out of fold, audit the labels, calibrate prediction sets.

    Similar images are near each other in the features of the winner, of an ensemble in those of
    the member with the largest weight.

    Parameters
    ----------
    results : sequence of CandidateResult
        All candidates, ensembles included.
    dataset : Dataset
        Its test images are not predicted: their labels show how good the prediction sets are.
    settings : Settings
    cache : path
    test_probabilities : ndarray, shape (n_test, n_classes)
        The winner's.
    """
    data = search_data(dataset, settings.search.holdout_share, settings.seed)
    winner = select_winner(results, settings.search)
    out_of_fold = cross_fit(winner, results, data, settings, cache)
    # The rows of the arranged images, in the order of the file.
    order = np.argsort(data.numbers)
    rows = order[np.searchsorted(data.numbers[order], out_of_fold.numbers)]
    largest = max(members_of(winner, results), key=lambda member: member[1])[0]
    assert largest.recipe is not None  # noqa: S101 (the winner has one)
    store = ColumnStore(cache, data, settings.seed)
    columns = largest.recipe.columns(store, data, data.all_rows)[rows]
    conformal = calibrate(out_of_fold)
    return CrossFitted(
        out_of_fold=out_of_fold,
        label_audit=audit_labels(out_of_fold, data.images[rows], columns, settings),
        conformal=conformal,
        prediction_sets=evaluate_sets(
            conformal, test_probabilities, dataset.test.labels, settings.evaluation.confidence
        ),
    )
