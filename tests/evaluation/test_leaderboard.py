from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG, Settings
from fmnist_lib.evaluation.leaderboard import leaderboard, select_winner, selected_among
from fmnist_lib.search.engines.result import CandidateResult


def finished(identifier, right, engine="optuna", log_loss=0.3, model_mb=1.0):
    return CandidateResult(
        id=identifier,
        engine=engine,
        validation_accuracy=wilson(right, 1000),
        validation_log_loss=log_loss,
        validation_correct=np.arange(1000) < right,
        model_mb=model_mb,
    )


FAILED = CandidateResult(id="broken", engine="tpot", error="timed out after 5 s")


def test_the_best_validation_accuracy_wins_and_the_order_is_kept():
    entries = [finished("b", 880), FAILED, finished("a", 900), finished("c", 700)]
    table = leaderboard(entries)
    assert list(table["candidate"]) == ["a", "b", "c", "broken"]
    assert list(table["status"]) == ["winner", "ok", "ok", "failed: timed out after 5 s"]
    assert table["p_value"].isna().tolist() == [True, False, False, True]
    assert table.loc[1, "p_value"] < 0.001


def test_a_baseline_never_wins():
    entries = [finished("baseline", 990, engine="baseline"), finished("a", 800)]
    assert select_winner(entries).id == "a"
    assert list(leaderboard(entries)["status"]) == ["baseline", "winner"]


def test_ties_go_to_the_lower_log_loss_then_to_the_smaller_model():
    assert select_winner([finished("a", 900), finished("b", 900, log_loss=0.2)]).id == "b"
    assert select_winner([finished("a", 900, model_mb=9), finished("b", 900)]).id == "b"


@pytest.mark.parametrize(("right", "winner"), [(905, "a"), (960, "vote")])
def test_an_ensemble_must_be_significantly_better(right, winner):
    entries = [finished("a", 900), finished("vote", right, engine="ensemble")]
    assert select_winner(entries).id == winner
    assert list(leaderboard(entries)["candidate"]) == ["vote", "a"]


def test_the_winner_is_selected_among_candidates_that_could_have_won():
    entries = [
        finished("a", 900),
        finished("b", 890),
        finished("vote", 905, engine="ensemble"),
        finished("baseline", 700, engine="baseline"),
        FAILED,
    ]
    assert [one.id for one in selected_among(entries)] == ["a", "b"]
    entries[2] = finished("vote", 960, engine="ensemble")
    assert [one.id for one in selected_among(entries)] == ["a", "b", "vote"]


def test_a_candidate_over_the_limits_could_not_have_won():
    limits = read_settings(DEFAULT_CONFIG, Settings).search
    entries = [finished("a", 900), finished("large", 950, model_mb=2 * limits.max_model_mb)]
    assert [one.id for one in selected_among(entries, limits)] == ["a"]


def test_when_all_fail_the_reasons_are_listed():
    entries = [FAILED, finished("baseline", 800, engine="baseline")]
    with pytest.raises(SearchError, match=r"all 1 candidates failed.*broken: timed out after 5 s"):
        leaderboard(entries)
