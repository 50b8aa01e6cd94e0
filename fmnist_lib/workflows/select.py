"""Select the winner by validation, refit it, and evaluate it once on the test images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fmnist_lib.drift.batch import halves
from fmnist_lib.evaluation.figures import evaluation_pictures
from fmnist_lib.evaluation.latency import milliseconds_per_image
from fmnist_lib.evaluation.leaderboard import (
    leaderboard,
    select_winner,
    selected_among,
    winner_of,
)
from fmnist_lib.evaluation.metrics import evaluate
from fmnist_lib.evaluation.selection import corrected_accuracy
from fmnist_lib.search.engines.ensemble import with_ensembles
from fmnist_lib.search.execution.refit_winner import early_stop_reason, refit_winner
from fmnist_lib.search.recipes.search_data import search_data
from fmnist_lib.workflows.contributions import measure_contributions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.common.contributions import Contributions
    from fmnist_lib.common.evaluation_result import Evaluation
    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.common.spent import Spent
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.search.execution.budget import Budget


@dataclass(frozen=True)
class Selection:
    """The winner and its evaluation; every field is an artifact of the step `select`.

    Attributes
    ----------
    winner : sklearn.pipeline.Pipeline
        Fitted on training and validation images.
    results : list of CandidateResult
        Ensembles included, without the fitted pipelines: each search task keeps its own.
    leaderboard : DataFrame
    contributions : Contributions
        Of feature blocks and ensemble members.
    spent : Spent
        Time of search and refit.
    corrected_accuracy : Estimate
        Validation accuracy corrected for the selection of the best candidate.
    n_selected_among : int
        Candidates that could have won: for these it is corrected.
    test_probabilities : ndarray of shape (n_test, n_classes)
    evaluation : Evaluation
        Of the winner on the test images.
    test_metrics : dict of str to float
    reference, held_back : Batch
        Halves of the test images, with the winner's predictions.
    pictures : tuple of Picture
    """

    winner: Any
    results: list[CandidateResult]
    leaderboard: pd.DataFrame
    contributions: Contributions
    spent: Spent
    corrected_accuracy: Estimate
    n_selected_among: int
    test_probabilities: np.ndarray
    evaluation: Evaluation
    test_metrics: dict[str, float]
    reference: Batch
    held_back: Batch
    pictures: tuple[Picture, ...]

    @property
    def winner_id(self) -> str:
        """Id of the winning candidate."""
        return str(winner_of(self.leaderboard)["candidate"])


def select(
    results: Sequence[CandidateResult],
    dataset: Dataset,
    settings: Settings,
    budget: Budget,
    cache: Path,
) -> Selection:
    """Select the winner among the candidates, refit it and evaluate it."""
    data = search_data(dataset, settings.search.holdout_share, settings.seed)
    timed = _with_prediction_times(results, data.images[data.validation_rows])
    everyone = with_ensembles(timed, data, settings)
    table = leaderboard(everyone, settings.search)
    selected = select_winner(everyone, settings.search)
    rivals = selected_among(everyone, settings.search)
    winner, rows = refit_winner(
        selected, everyone, data, settings, cache, seconds=budget.refit_seconds_left()
    )
    spent = budget.spent(rows, len(data.labels), early_stop_reason(selected, everyone))
    test, seed = dataset.test, settings.seed
    probabilities = winner.predict_proba(test.images)
    evaluation = evaluate(test.labels, probabilities, settings.evaluation, seed)
    reference, held_back = halves(test.images, probabilities, seed, test.labels)
    return Selection(
        winner=winner,
        results=[result.without_pipeline() for result in everyone],
        leaderboard=table,
        contributions=measure_contributions(everyone, table, data, settings, cache),
        spent=spent,
        corrected_accuracy=corrected_accuracy(
            rivals, settings.evaluation.confidence, settings.evaluation.bootstrap_samples, seed
        ),
        n_selected_among=len(rivals),
        test_probabilities=probabilities,
        evaluation=evaluation,
        test_metrics=evaluation.as_metrics(),
        reference=reference,
        held_back=held_back,
        pictures=evaluation_pictures(evaluation, test.images),
    )


def _with_prediction_times(
    results: Sequence[CandidateResult], images: np.ndarray
) -> list[CandidateResult]:
    """Measure the candidates one after the other: during the search they slow each other down."""
    return [
        result
        if result.failed
        else replace(result, predict_ms_per_image=milliseconds_per_image(result.pipeline, images))
        for result in results
    ]
