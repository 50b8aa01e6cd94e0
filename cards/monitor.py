"""The cards of the monitor: verdict first, then the evidence for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, percent, pictures, table
from cards.escape import code, text
from cards.power import power
from fmnist_lib.drift.verdict import retrain_alpha, watch_alpha
from fmnist_lib.monitor.figures import gallery, history_chart
from fmnist_lib.statistics import SMALLEST_P_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.config import VerdictConfig
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.drift.assessment import BatchAssessment
    from fmnist_lib.monitor.challenge import Champion
    from fmnist_lib.monitor.signal import Retraining, Signal
    from fmnist_lib.retraining import Contest
    from fmnist_lib.statistics import Estimate

_WORDS = {
    "insufficient_data": "Too few images to say anything",
    "ok": "All is well",
    "watch": "Keep an eye on it",
    "retrain": "Train anew",
}
_SHOWN_HISTORY = 8
_SHOWN_IMAGES = 16


def champion_card(champion: Champion, version: DataVersion) -> list[MetaflowCardComponent]:
    """Which model the batch is assessed with."""
    return [
        *header("Champion", version),
        Markdown(f"The model of **{text(champion.run)}** ({text(champion.found)})."),
    ]


def monitor_card(
    signal: Signal,
    assessment: BatchAssessment,
    history: Sequence[Signal],
    images: np.ndarray,
    *,
    config: VerdictConfig,
    version: DataVersion,
    names: Sequence[str] | None = None,
    unreadable: int = 0,
) -> list[MetaflowCardComponent]:
    """Verdict, evidence, accuracy, pictures with their file names if known, history.

    The last two arguments are the names of the images' files, and the number of earlier runs that
    could not be read.
    """
    return [
        *header(f"{_WORDS[signal.verdict]}: `{signal.verdict}`", version),
        Markdown(f"**{text(_sentence(signal.reason))}**"),
        Markdown(_batch(signal)),
        Markdown("## How accurate is the champion on this batch?"),
        Markdown(_accuracy(signal)),
        Markdown("## The evidence"),
        *_evidence(assessment, config),
        *_unlike(assessment, images, names),
        Markdown("## Over time"),
        *pictures([history_chart(history)]),
        _history(history),
        *_unreadable(unreadable),
    ]


def retraining_card(
    outcome: Retraining, contest: Contest | None, version: DataVersion
) -> list[MetaflowCardComponent]:
    """What became of the retraining."""
    title = "The challenger is champion now" if outcome.promoted else "The champion stays"
    components = [*header(title, version), Markdown(f"**{text(_sentence(outcome.reason))}**")]
    if outcome.run:
        components.append(Markdown(f"Training run: {code(outcome.run)}."))
    if contest:
        components.append(
            table(
                ["held-out images", "champion", "challenger"],
                [
                    ("all", _interval(contest.champion), _interval(contest.challenger)),
                    (
                        "new ones",
                        _interval(contest.champion_new),
                        _interval(contest.challenger_new),
                    ),
                ],
            )
        )
    return components


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _batch(signal: Signal) -> str:
    sample = (
        f"a random {signal.images:,} of {signal.images_in_batch:,} images"
        if signal.images < signal.images_in_batch
        else f"{signal.images:,} images"
    )
    known = "labels known" if signal.realised_accuracy else "no labels"
    return (
        f"{code(signal.batch)}, {sample}, {known}, against the held-out reference of "
        f"{code(signal.champion)}, which the champion was not fitted on "
        f"({signal.created[:16].replace('T', ' ')} UTC)."
    )


def _accuracy(signal: Signal) -> str:
    lines = []
    if signal.realised_accuracy:
        lines.append(f"Measured with the labels: **{_interval(signal.realised_accuracy)}**.")
    if signal.estimated_accuracy:
        trust = "" if signal.estimate_reliable else " **Unreliable**: no figure to rely on."
        lines.append(
            f"Estimated without labels: **{_interval(signal.estimated_accuracy)}**.{trust}"
        )
    if not lines:
        lines.append("Neither measured nor estimated.")
    if signal.reference_accuracy:
        lines.append(f"On the held-out reference: {_interval(signal.reference_accuracy)}.")
    return "\n".join(f"- {line}" for line in lines)


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "none"
    return (
        f"{percent(estimate.value)} ({percent(estimate.confidence, 0)} interval "
        f"{percent(estimate.low)} to {percent(estimate.high)})"
    )


def _history(history: Sequence[Signal]) -> MetaflowCardComponent:
    return table(
        ["when (UTC)", "batch", "images", "verdict", "accuracy", "retraining"],
        [
            (
                one.created[:16].replace("T", " "),
                one.batch,
                one.images,
                one.verdict,
                _interval(one.accuracy),
                one.retraining.reason if one.retraining else "",
            )
            for one in reversed(history[-_SHOWN_HISTORY:])
        ],
    )


def _unreadable(runs: int) -> list[MetaflowCardComponent]:
    if not runs:
        return []
    which = "1 earlier run" if runs == 1 else f"{runs:,} earlier runs"
    return [Markdown(f"Left out: {which} could not be read. The step's log says why.")]


def _p_value(value: float) -> str:
    return f"{value:.4f}" if value >= SMALLEST_P_VALUE else f"below {SMALLEST_P_VALUE:g}"


def _evidence(assessment: BatchAssessment, config: VerdictConfig) -> list[MetaflowCardComponent]:
    evidence = assessment.evidence
    if evidence is None:
        return [Markdown("No test was made.")]
    return [
        Markdown(
            f"p-value {_p_value(evidence.p_value)}, corrected for every test that decides. A quiet "
            f"year stays quiet: `watch` takes at most {watch_alpha(config):.2g}, `retrain` at "
            f"most {retrain_alpha(config):.2g}, an effect of at least {config.min_effect:g} (here "
            f"{max(evidence.effect_size, evidence.drop):.3f}) and a loss of at least "
            f"{percent(config.min_drop)} (here {percent(evidence.drop)})."
        ),
        table(
            ["what decides", "p-value"],
            [(name, _p_value(value)) for name, value in evidence.p_values.items()],
        ),
        Markdown("Every test, by itself:"),
        _tests(assessment),
        *_likeness(assessment),
        *power(assessment.power),
    ]


def _tests(assessment: BatchAssessment) -> MetaflowCardComponent:
    return table(
        ["test", "differs", "p-value", "threshold", "effect size", "most in"],
        [
            (
                test.method,
                "YES" if test.drifted else "no",
                _p_value(test.p_value),
                f"{test.alpha:g}",
                f"{test.effect_size:.3f} ({test.effect})",
                test.strongest,
            )
            for test in assessment.tests
        ],
    )


def _likeness(assessment: BatchAssessment) -> list[MetaflowCardComponent]:
    if not assessment.likeness:
        return []
    return [
        Markdown("## What does it look like?"),
        Markdown(
            "How alike the named features move under simulated shifts of each kind, 0 to 1: it "
            f"looks most like **{text(assessment.looks_like)}**."
        ),
        table(
            ["kind", "closest simulated shift", "likeness"],
            [(one.kind, one.example, f"{one.score:.2f}") for one in assessment.likeness],
        ),
    ]


def _unlike(
    assessment: BatchAssessment, images: np.ndarray, names: Sequence[str] | None
) -> list[MetaflowCardComponent]:
    rows = assessment.unlike[:_SHOWN_IMAGES]
    if not len(rows):
        return []
    called = "number in the batch, counted from 0" if names is None else "file name"
    return pictures(
        [
            gallery(
                images[rows],
                [f"no. {row}" if names is None else names[row] for row in rows],
                "The images least like the reference",
                "By the champion's outputs and the named features, the farthest first; above each "
                f"its {called}.",
            )
        ]
    )
