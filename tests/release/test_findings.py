from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.common.statistics import Estimate
from fmnist_lib.data.audit_result import DuplicateCount
from fmnist_lib.drift.detection import NO_SHIFT, DetectionRate
from fmnist_lib.release.charts import (
    Axis,
    candidate_chart,
    contribution_chart,
    detection_chart,
)
from fmnist_lib.release.findings import (
    CHOICES,
    contribution_finding,
    drift_finding,
    error_finding,
    result_finding,
    trust_finding,
    winner_finding,
)
from tests.run_reports import run_report


def _with_rival(**changes):
    """Return a report whose winner has accuracy 0.85 and whose runner-up is as given."""
    table = run_report().leaderboard
    rival = table.iloc[:1].assign(candidate="rival", status="ok", p_value=0.5, **changes)
    return run_report(leaderboard=pd.concat([table, rival], ignore_index=True))


def test_the_result_is_a_count_of_images_and_the_goal_names_the_budget():
    finding = result_finding(run_report())
    assert finding.title == "Correct on 9,131 of 10,000 unseen images"
    assert "8 minutes of search" in dict(finding.facts)["Goal"]


@pytest.mark.parametrize(
    ("changes", "title", "why"),
    [
        ({"validation_accuracy": 0.84}, "A tie", "1.00 points less accurate"),
        ({"validation_accuracy": 0.85}, "A tie", "equally accurate"),
        ({"validation_accuracy": 0.8, "p_value": 1e-9}, "by more than chance", "p < 0.0001"),
        ({"validation_accuracy": 0.8, "p_value": None}, "the most accurate candidate", "5.00"),
        (
            {"validation_accuracy": 0.86, "engine": "ensemble"},
            "a single model: the ensemble is not significantly better",
            "1.00 points more accurate",
        ),
        (
            {"validation_accuracy": 0.9, "status": "over the limits", "p_value": 1e-9},
            "within the limits of size and speed",
            "5.00 points more accurate",
        ),
    ],
)
def test_the_reason_for_the_winner_follows_from_the_comparison(changes, title, why):
    report = _with_rival()
    table = report.leaderboard.astype({"p_value": float})
    for column, value in changes.items():
        table.loc[table["candidate"] == "rival", column] = value
    finding = winner_finding(replace(report, leaderboard=table))
    assert title in finding.title
    assert why in dict(finding.facts)["Against the runner-up"]
    assert "on 20 validation images" in dict(finding.facts)["Against the runner-up"]


def test_a_vote_that_is_ahead_is_named_with_the_next_single_candidate():
    table = _with_rival(engine="ensemble").leaderboard
    single = table.iloc[:1].assign(
        status="ok", engine="tpot", validation_accuracy=0.7, p_value=0.001
    )
    report = run_report(leaderboard=pd.concat([table, single], ignore_index=True))
    why = dict(winner_finding(report).facts)["Against the runner-up"]
    assert "next single candidate is 15.00 points less accurate" in why
    assert "p = 0.0010" in why


def test_the_only_search_that_finished_is_compared_with_the_baseline():
    finding = winner_finding(run_report())
    assert finding.title == "Only one search finished; 1 failed"
    assert dict(finding.facts) == {
        "Against the baselines": "The best one, majority, is 75.00 points less accurate."
    }
    alone = run_report().leaderboard.iloc[:1]
    assert winner_finding(run_report(leaderboard=alone)).facts == ()


def test_the_trust_in_the_number_is_quantified():
    leaks = DuplicateCount("of test images in training and validation", 10_000, 1, 0, 12, 0)
    finding = trust_finding(run_report(duplicates=(leaks,)))
    facts = dict(finding.facts)
    assert finding.title == "Tested once; 0.1 % near-duplicates"
    assert "12 of the test images; they explain at most 0.12 points" in (facts["Near-duplicates"])
    assert "±0.55 points" in facts["Chance"]
    assert facts["Selection"] == "validation was 6.31 points too pessimistic."
    assert facts["Weakest class"].split(",")[0] in CLASS_NAMES
    assert "Near-duplicates" not in dict(trust_finding(run_report()).facts)


def test_drift_counts_the_detected_shifts_and_shows_the_least_detected():
    rates = [_rate("no shift", 0.05, is_shift=False)]
    rates += [_rate(f"shift {share}", share) for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)]
    report = run_report(detection=rates)
    assert drift_finding(report).title == "Drift: 2 of 7 simulated shifts are detected"
    names = [row["name"] for row in detection_chart(report)]
    assert names == ["no shift (false alarms)", *[f"shift {n / 10}" for n in (4, 5, 6, 7, 8, 9)]]
    assert "new batches are compared" in drift_finding(run_report()).title
    assert detection_chart(run_report()) == []


def test_blocks_and_members_are_sorted_by_the_accuracy_lost_without_them():
    assert contribution_finding(run_report()) is None
    assert contribution_chart(run_report()) == []
    blocks = [_part("gradients", 0.01), _part("patches", 0.03)]
    report = _with_contributions(blocks, [_part(f"m{n}", 0.001 * n) for n in range(9)])
    assert contribution_finding(report).title == "Most important features: patches"
    rows = contribution_chart(report)
    names = ["patches", "gradients", "m8 (ensemble)", "m7 (ensemble)", "m6 (ensemble)"]
    assert [row["name"] for row in rows] == names
    assert rows[0]["loss"] == "\N{MINUS SIGN}3.00"
    assert rows[0]["bar"] == 50


def test_two_members_are_shown_beside_many_blocks():
    parts = [_part(str(n), 0.001) for n in range(9)]
    names = [row["name"] for row in contribution_chart(_with_contributions(parts, parts))]
    assert names == ["0", "1", "2", "0 (ensemble)", "1 (ensemble)"]


def test_a_part_without_a_significant_loss_is_not_called_valuable():
    report = _with_contributions([_part("patches", 0.9)], [_part("tpot", 0.01), _part("a", 0.0)])
    assert contribution_finding(report).title == "Most important in the ensemble: tpot"
    report = _with_contributions([_part(name, 0.001, low=-0.001) for name in "ab"], [])
    assert contribution_finding(report).title == "No part is significantly needed alone"


def test_the_most_frequent_error_is_named_if_there_is_one():
    assert error_finding(run_report()).title.startswith("Most frequent error: ")
    perfect = run_report(n_correct=10_000)
    assert error_finding(perfect) is None


def test_the_axis_starts_at_the_least_accurate_candidate_that_is_better_than_half():
    chart = candidate_chart(run_report())
    assert (chart["low"], chart["high"], chart["left_out"]) == ("84 %", "86 %", 0)
    winner, baseline, failed = chart["rows"]
    assert (winner["point"], winner["start"], winner["width"]) == (50.0, 0.0, 100.0)
    assert baseline["point"] == 0
    assert failed["reason"]
    assert Axis(1.0, 1.0).place(1.0) == 0


def test_the_figures_in_the_reasons_are_those_of_the_benchmarks():
    peers = pd.read_csv(PROJECT_ROOT / "benchmarks" / "results" / "peers.csv")
    accuracy = peers.set_index(["peer", "input"])["accuracy"]
    figures = {
        f"{100 * accuracy[name]:.1f} %"
        for name in (
            ("fmnist-flow", "images"),
            ("autogluon-best", "features"),
            ("autogluon-best", "pixels"),
            ("cnn", "pixels"),
        )
    }
    text = " ".join(CHOICES.values())
    assert not [figure for figure in figures if figure not in text]
    assert text.count("%") == len(figures) + 1


def _rate(name, share, *, is_shift=True):
    return DetectionRate(
        name if is_shift else NO_SHIFT,
        name,
        0,
        20,
        Estimate(share, share, share),
        np.zeros(1),
        np.zeros(1),
    )


def _with_contributions(blocks, members):
    report = run_report()
    found = SimpleNamespace(blocks=blocks, members=members)
    object.__setattr__(report, "contributions", found)
    return report


def _part(name, loss, low=None):
    return SimpleNamespace(
        name=name, loss=Estimate(loss, loss / 2 if low is None else low, 2 * loss)
    )
