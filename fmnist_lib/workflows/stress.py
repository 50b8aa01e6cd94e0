"""Measure where the winner fails, and what breaks it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from fmnist_lib.drift.strengths import measure_robustness
from fmnist_lib.evaluation.behaviour import behaviour_tests
from fmnist_lib.evaluation.leaderboard import select_winner
from fmnist_lib.evaluation.slices import measure_slices
from fmnist_lib.evaluation.training_space import TrainingSpace
from fmnist_lib.features.named import named_features
from fmnist_lib.models.kernel import unscaled
from fmnist_lib.search.engines.ensemble import ENGINE as ENSEMBLE
from fmnist_lib.search.engines.ensemble import vote
from fmnist_lib.search.execution.refit_winner import members_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Dataset, Split
    from fmnist_lib.drift.strengths import Robustness
    from fmnist_lib.evaluation.behaviour import Behaviour
    from fmnist_lib.evaluation.slices import Slices

#: Validation images among which the unmistakable ones are chosen: 1 s for every 10,000.
_MAX_TYPICAL = 2_000


@dataclass(frozen=True)
class StressReport:
    """Slices, robustness and behaviour of the winner.

    Attributes
    ----------
    winner : str
    second : str or None
        Second-best candidate; None if no other finished.
    slices : Slices
        On the test images, from the winner's test probabilities.
    robustness : Robustness
        Of the validated pipelines, on validation images.
    behaviours : tuple of Behaviour
        Of the winner's validated pipeline, on validation images.
    seconds : float
    """

    winner: str
    second: str | None
    slices: Slices
    robustness: Robustness
    behaviours: tuple[Behaviour, ...]
    seconds: float


def measure_stress(
    results: Sequence[CandidateResult],
    read_pipeline: Callable[[str], Any],
    dataset: Dataset,
    test_probabilities: np.ndarray,
    settings: Settings,
) -> StressReport:
    """Measure slices, simulated shifts and behaviour tests.

    Slices read the winner's test probabilities. Everything that needs new predictions uses
    validation images, because the test images are predicted once per run, by the winner. The
    winner itself was refitted on the validation images; therefore the pipelines judged on them
    are those that were validated, fitted on the training images alone, of the winner and of the
    second-best candidate.

    Parameters
    ----------
    results : sequence of CandidateResult
        All candidates, ensembles included; their pipelines are not needed.
    read_pipeline : callable
        Takes the id of a searched candidate; returns its validated pipeline.
    dataset : Dataset
    test_probabilities : ndarray of shape (n_test, 10)
        Of the winner.
    settings : Settings
    """
    started, config = time.monotonic(), settings.stress
    confidence, seed = settings.evaluation.confidence, settings.seed
    winner = select_winner(results, settings.search)
    second = second_best(winner, results, settings)
    space = TrainingSpace(dataset.train.images, dataset.train.labels, config.components)
    models = {
        one.id: _predict(validated_pipeline(one, results, read_pipeline))
        for one in (winner, second)
        if one is not None
    }
    validation = dataset.validation
    rows = _sample(validation, config.rows, seed)
    return StressReport(
        winner=winner.id,
        second=second.id if second else None,
        slices=_slices(dataset.test, test_probabilities, space, settings),
        robustness=measure_robustness(
            models,
            validation.images[rows],
            validation.labels[rows],
            config,
            confidence=confidence,
            seed=seed,
        ),
        behaviours=_behaviours(models[winner.id], validation, rows, space, settings),
        seconds=time.monotonic() - started,
    )


def second_best(
    winner: CandidateResult, results: Sequence[CandidateResult], settings: Settings
) -> CandidateResult | None:
    """Return the best single candidate other than the winner, baselines excluded.

    An ensemble is not compared with the winner: it is usually made of the winner and others, so
    it shares most of its errors.
    """
    others = [
        result
        for result in results
        if not result.failed
        and result.engine not in (ENSEMBLE, "baseline")
        and result.id != winner.id
    ]
    return select_winner(others, settings.search) if others else None


def validated_pipeline(
    result: CandidateResult,
    results: Sequence[CandidateResult],
    read_pipeline: Callable[[str], Any],
) -> Any:
    """Return the pipeline that was validated; of an ensemble that of its members.

    Without a kernel's scaling, which was fitted on the validation images.
    """
    members = [
        (one.id, unscaled(read_pipeline(one.id)), weight)
        for one, weight in members_of(result, results)
    ]
    return vote(members) if result.engine == ENSEMBLE else members[0][1]


def _slices(
    test: Split, probabilities: np.ndarray, space: TrainingSpace, settings: Settings
) -> Slices:
    return measure_slices(
        test.labels,
        probabilities,
        named_features(test.images),
        space.nearest(test.images),
        settings.stress,
        confidence=settings.evaluation.confidence,
        seed=settings.seed,
    )


def _behaviours(
    predict: Callable[[np.ndarray], np.ndarray],
    validation: Split,
    rows: np.ndarray,
    space: TrainingSpace,
    settings: Settings,
) -> tuple[Behaviour, ...]:
    few, config = slice(_MAX_TYPICAL), settings.stress
    return behaviour_tests(
        predict,
        validation.images,
        validation.labels,
        config,
        sample=rows,
        typical=space.clearest(
            validation.images[few], validation.labels[few], config.typical_images
        ),
        confidence=settings.evaluation.confidence,
    )


def _predict(pipeline: Any) -> Callable[[np.ndarray], np.ndarray]:
    def predict(images: np.ndarray) -> np.ndarray:
        # One BLAS thread, as in the search: other steps run at the same time.
        with threadpool_limits(1):
            return np.asarray(pipeline.predict_proba(images))

    return predict


def _sample(split: Split, n: int, seed: int) -> np.ndarray:
    """Return rows with the same number of images per class, as far as there are so many."""
    order = np.random.default_rng(seed).permutation(len(split))
    labels = split.labels[order]
    rank = np.empty(len(order), dtype=int)
    for label in np.unique(labels):
        own = labels == label
        rank[own] = np.arange(own.sum())
    return np.sort(order[np.argsort(rank, kind="stable")[:n]])
