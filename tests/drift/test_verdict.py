from dataclasses import replace

import pytest

from fmnist_lib.config.drift import VerdictConfig
from fmnist_lib.drift.evidence import Evidence
from fmnist_lib.drift.verdict import decide, retrain_alpha, watch_alpha

CONFIG = VerdictConfig()
LOSS = Evidence(
    p_values={"KS of mean_ink": 1e-9, "lower confidence": 0.3},
    effect_size=0.2,
    drop=0.06,
    realised=False,
    reliable=True,
)


def test_a_significant_large_loss_calls_for_retraining():
    verdict, reason = decide(LOSS, CONFIG)
    assert verdict == "retrain"
    assert "KS of mean_ink" in reason
    assert "6.0 points lower" in reason


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({"drop": 0.001}, "watch", "below 2.0 points"),
        ({"drop": 0.01996}, "watch", "1.996 points lower; no retraining, as the loss is below 2.0"),
        ({"drop": -0.01}, "watch", "1.0 points higher"),
        ({"drop": 0.03, "effect_size": 0.01}, "watch", "effect of 0.030 is below 0.05"),
        ({"p_values": {"a": 1e-3, "b": 0.5}}, "watch", "yearly false-alarm budget"),
        ({"p_values": {"a": 0.2, "b": 0.5}}, "ok", "no significant difference"),
        ({"reliable": False}, "retrain", "rough estimate"),
        ({"realised": True}, "retrain", "by the labels"),
    ],
)
def test_each_condition_decides(change, verdict, words):
    found, reason = decide(replace(LOSS, **change), CONFIG)
    assert found == verdict
    assert words in reason


def test_the_p_value_is_corrected_for_the_number_of_tests():
    assert LOSS.p_value == pytest.approx(2e-9)
    assert replace(LOSS, p_values={"a": 0.9, "b": 0.8}).p_value == 1.0


def test_the_batches_of_a_year_share_the_budget():
    alpha = retrain_alpha(CONFIG)
    assert 1 - (1 - alpha) ** 365 == pytest.approx(0.05)
    assert watch_alpha(CONFIG) * 365 == pytest.approx(4)


def test_fewer_batches_or_a_larger_budget_raise_the_level_per_batch():
    weekly = VerdictConfig(batches_per_year=52)
    generous = VerdictConfig(false_retrains_per_year=0.5)
    assert min(retrain_alpha(weekly), retrain_alpha(generous)) > retrain_alpha(CONFIG)
