from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from metaflow.cards import Markdown

from cards.leaderboard import leaderboard_card
from cards.sections.contributions import contributions_sections
from cards.sections.costs import costs_section
from fmnist_lib.common.contributions import (
    BlockRefits,
    Contribution,
    Contributions,
    RefitContribution,
)
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.spent import Spent
from fmnist_lib.common.statistics import Estimate, wilson
from fmnist_lib.config.training import EvaluationConfig
from fmnist_lib.evaluation.figures import evaluation_pictures
from fmnist_lib.evaluation.leaderboard import leaderboard
from fmnist_lib.evaluation.metrics import evaluate
from fmnist_lib.search.engines.result import CandidateResult
from fmnist_lib.workflows.select import Selection
from tests.card_reader import Card


def entry(identifier, right, **values):
    return CandidateResult(
        id=identifier,
        engine="optuna",
        description=f"pipeline of {identifier}",
        validation_accuracy=wilson(right, 1000),
        validation_log_loss=0.3,
        validation_correct=np.arange(1000) < right,
        **values,
    )


def contributions(**changes):
    shares = [[1.0, 0.9], [0.9, 1.0]]
    usual = {
        "n_images": 2000,
        "blocks": [
            Contribution("gradients", Estimate(0.002, -0.001, 0.005)),
            Contribution("patches", Estimate(0.31, 0.29, 0.33)),
        ],
        "members": [],
        "agreement": pd.DataFrame(shares, index=["winner", "second"], columns=["winner", "second"]),
    }
    return Contributions(**(usual | changes))


def test_blocks_of_the_other_candidates_are_in_a_folded_table():
    parts = [
        Contribution("pixels", Estimate(0.01, -0.002, 0.022, 0.99)),
        Contribution("<b>", Estimate(0.2, 0.19, 0.21, 0.99)),
    ]
    (section,) = _folded(contributions(others={"compact": parts}))
    assert "Feature blocks of the other candidates" in section
    assert "99 % interval" in section
    assert section.index("&lt;b&gt;") < section.index("pixels")
    assert "1.0" in section
    assert "-0.2 to 2.2" in section
    assert _folded(contributions()) == []


def _folded(found):
    sections = [str(one.render()) for one in contributions_sections(found)]
    return [one for one in sections if "<details" in one]


def test_blocks_are_ranked_and_one_without_a_shown_contribution_is_named():
    card = Card([Markdown("# title"), *contributions_sections(contributions())])
    assert "## Largest contribution of the feature blocks: patches, 31.0 points" in card.sentences
    assert "No significant contribution: gradients (the interval covers zero)." in card.text
    drawn = card.charts[0]["data"]["values"]
    assert [(row["part"], round(row["value"], 1)) for row in drawn] == [
        ("patches", 31.0),
        ("gradients", 0.2),
    ]
    assert "members of the ensemble" not in card.text


@pytest.mark.parametrize(
    ("gradients", "verdict"),
    [
        (0.1, "They rank the blocks as the permutation does."),
        (0.4, "**They rank the blocks differently** from the permutation (patches, gradients)"),
    ],
)
def test_shapley_values_say_whether_they_agree_with_the_permutation(gradients, verdict):
    shapley = [
        Contribution("gradients", Estimate(gradients, gradients - 0.02, gradients + 0.02, 0.99)),
        Contribution("patches", Estimate(0.3, 0.28, 0.32, 0.99)),
    ]
    card = Card([Markdown("# title"), *contributions_sections(contributions(shapley=shapley))])
    assert "patches 30.0 points (28.0 to 32.0)" in card.text
    assert verdict in card.text


def test_fits_without_a_block_stand_side_by_side_with_the_whole():
    blocks = (
        RefitContribution("patches", 0.85, Estimate(0.05, 0.04, 0.06, 0.99), 1e-9),
        RefitContribution("gradients", 0.899, Estimate(0.001, -0.002, 0.004, 0.99), 0.8),
    )
    refits = BlockRefits(8000, 10_000, 0.9, blocks)
    card = Card([Markdown("# title"), *contributions_sections(contributions(refits=refits))])
    assert "## Without patches, a refit loses 5.0 points of accuracy" in card.sentences
    assert "No significant contribution: gradients" in card.text
    rows = card.table("pipeline / accuracy")
    assert rows[0][:2] == ["all blocks", "90.00 %"]
    assert rows[1] == ["without patches", "85.00 %", "-5.00", "-6.00 to -4.00", "< 0.0001"]
    useless = replace(refits, blocks=blocks[1:])
    card = Card([Markdown("# title"), *contributions_sections(contributions(refits=useless))])
    assert (
        "## No single feature block is needed: without any one, a refit is as accurate"
        in card.sentences
    )


def test_the_matrix_names_the_pair_that_agrees_most():
    card = Card([Markdown("# title"), *contributions_sections(contributions(blocks=[]))])
    assert card.sentences[1] == "## winner and second agree most: on 90.0 % of the images"
    assert len(card.charts[0]["data"]["values"]) == 4


def test_a_single_candidate_has_nothing_to_agree_with():
    alone = pd.DataFrame([[1.0]], index=["winner"], columns=["winner"])
    assert not contributions_sections(contributions(blocks=[], agreement=alone))


def test_the_fastest_candidate_is_compared_with_the_winner():
    fast = entry("fast", 850, predict_ms_per_image=0.5, model_mb=1.0)
    table = leaderboard([entry("best", 900, predict_ms_per_image=2.0, model_mb=50.0), fast])
    card = Card([Markdown("# title"), *costs_section(table)])
    finding = "fast predicts 4.0 times as fast as the winner, and is 5.00 points less accurate"
    assert card.sentences[1] == f"## {finding}"
    assert {row["candidate"]: row["pareto"] for row in card.charts[0]["data"]["values"]} == {
        "best": True,
        "fast": True,
    }
    assert not costs_section(table[:1])


def test_the_card_starts_with_the_winner_and_lists_every_failure(test_images, test_labels):
    table = leaderboard(
        [
            entry("second", 850, stopped="cut off: killed by SIGKILL"),
            entry("winner", 900),
            CandidateResult(id="broken", engine="tpot", error="timed out after 5 s"),
        ]
    )
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(10), size=len(test_labels))
    evaluation = evaluate(test_labels, probabilities, EvaluationConfig(), seed=0)
    pictures = evaluation_pictures(evaluation, test_images)
    assert [picture.png[:4] for picture in pictures] == [b"\x89PNG"] * 2
    reason = "winner found no better pipeline in its last 10 trials"
    selection = Selection(
        winner=None,
        results=[],
        leaderboard=table,
        contributions=contributions(),
        spent=Spent(186.0, 480, rows=41_000, most_rows=60_000, stopped_early=reason),
        corrected_accuracy=wilson(890, 1000),
        n_selected_among=2,
        test_probabilities=probabilities,
        evaluation=evaluation,
        test_metrics=evaluation.as_metrics(),
        reference=None,
        held_back=None,
        pictures=pictures,
    )
    components = leaderboard_card(selection, DataVersion("official", "somewhere", "f" * 64, {}))
    card = Card(components)
    accuracy = f"{100 * evaluation.accuracy.value:.2f} %"
    assert card.captions == [picture.caption for picture in pictures]
    assert card.title == f"Winner: winner, test accuracy {accuracy}"
    assert card.boxes["Test accuracy"].startswith(accuracy)
    assert card.boxes["Validation accuracy"].startswith("89.00 %")
    assert "Every other candidate is significantly worse" in card.text
    assert f"Stopped after 3.1 of 8 minutes: {reason}" in card.text
    assert "refit used 41,000 of 60,000" in card.text
    assert ["broken", "failed: timed out after 5 s"] in card.table("candidate / reason")
    drawn = card.charts[0]["data"]["values"]
    assert [(row["candidate"], row["value"]) for row in drawn] == [
        ("winner", 0.9),
        ("second", 0.85),
    ]
    rows = {row[0]: row for row in card.table("candidate / status")}
    assert rows["winner *"][3] == "90.00"
    assert "cut off: killed by SIGKILL" in card.text
    assert "pipeline of second" in card.text
