from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.config.search import EnsembleCandidate
from fmnist_lib.search.engines.ensemble import choose_weights, ensemble
from fmnist_lib.search.engines.result import CandidateResult

CANDIDATE = EnsembleCandidate(id="vote", engine="ensemble")
LABELS = np.tile(np.arange(10), 100)


class Fitted:
    classes_ = np.arange(10)


def voter(identifier, seed, strength=2.0, engine="optuna"):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(1000, 10))
    scores[np.arange(1000), LABELS] += strength
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return CandidateResult(
        identifier,
        engine,
        pipeline=Fitted(),
        validation_probabilities=probabilities.astype(np.float32),
    )


def accuracy(result):
    return float((result.validation_probabilities.argmax(axis=1) == LABELS).mean())


def test_a_vote_of_independent_candidates_is_better_than_each():
    voters = [voter("a", 1), voter("b", 2), voter("c", 3)]
    result = ensemble(CANDIDATE, voters, LABELS, 0, 0.95)
    assert result.validation_accuracy.value > max(map(accuracy, voters)) + 0.05
    assert sum(result.params.values()) == pytest.approx(1)
    assert set(result.params) == {"a", "b", "c"}


def test_baselines_and_failures_have_no_vote():
    others = [voter("b", 2, engine="baseline"), CandidateResult("c", "tpot", error="no")]
    result = ensemble(CANDIDATE, [voter("a", 1), *others], LABELS, 0, 0.95)
    assert result.error == "an ensemble needs two candidates, 1 finished"


def test_too_few_images_to_cross_validate_the_weights_are_a_failure_with_a_remedy():
    voters = [voter("a", 1), voter("b", 2)]
    few = [
        replace(one, validation_probabilities=one.validation_probabilities[:30]) for one in voters
    ]
    result = ensemble(CANDIDATE, few, LABELS[:30], 0, 0.95)
    assert (
        "needs 5 validation images of a class, got 3: raise data.validation_share" in result.error
    )


def test_a_candidate_that_only_disturbs_gets_no_vote():
    votes = np.stack([voter("a", 1, strength=6).validation_probabilities, np.full((1000, 10), 0.1)])
    assert choose_weights(votes, LABELS, 10).tolist() == [1.0, 0.0]
