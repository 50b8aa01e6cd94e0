"""A weighted mean of the best candidates' probabilities, as a candidate of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import LabelEncoder

from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.search import EnsembleCandidate
from fmnist_lib.evaluation.metrics import log_loss
from fmnist_lib.search.engines.result import CandidateResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fmnist_lib.config.training import Settings
    from fmnist_lib.search.recipes.search_data import SearchData

ENGINE = "ensemble"
#: Of the cross-validation of the weights.
_FOLDS = 5


def with_ensembles(
    results: Sequence[CandidateResult], data: SearchData, settings: Settings
) -> list[CandidateResult]:
    """Return the results, and those of the configured ensembles of them."""
    labels = data.labels[data.validation_rows]
    ensembles = [
        ensemble(candidate, results, labels, settings.seed, settings.evaluation.confidence)
        for candidate in settings.search.candidates
        if isinstance(candidate, EnsembleCandidate)
    ]
    return [*results, *ensembles]


def ensemble(
    candidate: EnsembleCandidate,
    results: Sequence[CandidateResult],
    labels: NDArray[np.uint8],
    seed: int,
    confidence: float,
) -> CandidateResult:
    """Choose the weights of an ensemble by the validation images.

    The members are chosen greedily with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes,
    "Ensemble Selection from Libraries of Models", ICML 2004). Its accuracy is cross-validated:
    every fold is predicted with weights chosen on the others, so that it may be compared with
    candidates whose parameters never saw the validation images.

    Parameters
    ----------
    candidate : EnsembleCandidate
    results : sequence of CandidateResult
        Of all other candidates; failed ones and baselines are no members.
    labels : ndarray of uint8, shape (n_validation,)
    seed : int
    confidence : float

    Returns
    -------
    CandidateResult
        With ``params`` the weights by candidate; with ``error`` set when fewer than two
        candidates get a weight.
    """
    start = time.monotonic()
    voters = [result for result in results if not result.failed and result.engine != "baseline"]
    if reason := _obstacle(voters, labels):
        return CandidateResult(candidate.id, ENGINE, error=reason)
    votes = np.stack([np.asarray(result.validation_probabilities) for result in voters])
    predicted = np.empty((len(labels), votes.shape[2]))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for chosen_on, scored_on in folds.split(votes[0], labels):
        weights = choose_weights(votes[:, chosen_on], labels[chosen_on], candidate.votes)
        predicted[scored_on] = np.tensordot(weights, votes[:, scored_on], axes=1)
    weights = choose_weights(votes, labels, candidate.votes)
    shares = zip(voters, weights, strict=True)
    chosen = {result.id: float(weight) for result, weight in shares if weight > 0}
    if len(chosen) < 2:  # noqa: PLR2004
        reason = f"all weight went to one candidate, {next(iter(chosen))}"
        return CandidateResult(candidate.id, ENGINE, error=reason)
    members = [result for result in voters if result.id in chosen]
    correct = predicted.argmax(axis=1) == labels
    return CandidateResult(
        id=candidate.id,
        engine=ENGINE,
        description=" + ".join(f"{weight:.2f} {name}" for name, weight in chosen.items()),
        pipeline=vote([(result.id, result.pipeline, chosen[result.id]) for result in members]),
        validation_accuracy=wilson(int(correct.sum()), len(correct), confidence),
        validation_log_loss=log_loss(labels, predicted),
        validation_correct=correct,
        validation_probabilities=predicted.astype(np.float32),
        params=chosen,
        search_seconds=time.monotonic() - start,
        fit_seconds=sum(result.fit_seconds for result in members),
        fit_rows=min(result.fit_rows for result in members),
        predict_ms_per_image=sum(result.predict_ms_per_image for result in members),
        model_mb=sum(result.model_mb for result in members),
    )


def _obstacle(voters: Sequence[CandidateResult], labels: np.ndarray) -> str | None:
    """Return why there can be no ensemble, else None."""
    if len(voters) < 2:  # noqa: PLR2004 (two make an ensemble)
        return f"an ensemble needs two candidates, {len(voters)} finished"
    most = int(np.bincount(labels).max())
    if most < _FOLDS:
        return (
            f"an ensemble needs {_FOLDS} validation images of a class, got {most}: raise "
            "data.validation_share"
        )
    return None


def choose_weights(votes: np.ndarray, labels: np.ndarray, n_votes: int) -> np.ndarray:
    """Add votes greedily: each goes to the candidate that lowers the log loss most.

    Parameters
    ----------
    votes : ndarray of shape (n_candidates, n_images, n_classes)
        Probabilities.
    labels : ndarray of int, shape (n_images,)
    n_votes : int

    Returns
    -------
    ndarray of shape (n_candidates,)
        Shares of the votes, which add up to 1.
    """
    true = votes[:, np.arange(len(labels)), labels].astype(np.float64)
    counts = np.zeros(len(votes))
    total = np.zeros(len(labels))
    for _ in range(n_votes):
        # The sum of the votes so far is the same for all: only the true class counts.
        losses = -np.log(np.maximum(total + true, 1e-12)).mean(axis=1)
        best = int(losses.argmin())
        counts[best] += 1
        total += true[best]
    return counts / counts.sum()


def vote(members: Sequence[tuple[str, Any, float]]) -> VotingClassifier:
    """Put fitted pipelines together to an ensemble.

    Parameters
    ----------
    members : sequence of (name, fitted pipeline, weight)

    Returns
    -------
    VotingClassifier
        Fitted; averages the members' probabilities.
    """
    names, pipelines, weights = zip(*members, strict=True)
    voting = VotingClassifier(
        list(zip(names, pipelines, strict=True)), voting="soft", weights=list(weights)
    )
    voting.estimators_ = list(pipelines)
    voting.classes_ = pipelines[0].classes_
    voting.le_ = LabelEncoder().fit(pipelines[0].classes_)
    return voting
