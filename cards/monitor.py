"""Cards of the monitor: champion, assessment and retraining.

The assessment answers without scrolling: whether to retrain, how accurate the champion is on the
batch, and how strong the evidence is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.components import box, details, header, pictures, table
from cards.parts.escape import code, text
from cards.sections.history import history
from cards.sections.power import power
from fmnist_lib.common.formatting import interval, p_value, percent, sentence, shorten_middle
from fmnist_lib.common.montage import gallery
from fmnist_lib.drift.verdict import retrain_alpha, watch_alpha

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.config.drift import VerdictConfig
    from fmnist_lib.drift.assessment import BatchAssessment
    from fmnist_lib.monitor.challenge import Champion
    from fmnist_lib.monitor.signal import Retraining, Signal
    from fmnist_lib.workflows.retrain import Contest

_TITLES = {
    "insufficient_data": "Too few images to assess",
    "ok": "No significant drift",
    "watch": "Drift, no retraining required",
    "retrain": "Retraining required",
}
_MEASURE = "run again with `--labels FILE` to measure the accuracy"
#: What to do after a verdict, without and with the labels of the batch.
_NEXT_STEPS = {
    "insufficient_data": ("collect more images", "collect more images"),
    "ok": ("nothing to do", "nothing to do"),
    "watch": (
        "next: label some images, and run again with --labels",
        "next: look at the outliers and tests below",
    ),
    "retrain": (
        "next: label the batch, and run again with --labels and --retrain",
        "next: run again with --retrain",
    ),
}
#: The verdict as a shape, for readers who do not tell its colours apart.
_SHAPES = {
    "insufficient_data": "\N{WHITE CIRCLE}",
    "ok": "\N{HEAVY CHECK MARK}",
    "watch": "\N{WHITE UP-POINTING TRIANGLE}",
    "retrain": "\N{BLACK DIAMOND}",
}
_SHOWN_HISTORY = 8
_SHOWN_IMAGES = 16
#: Characters that fit above an image.
_TITLE_CHARS = 18


def champion_card(champion: Champion, version: DataVersion) -> list[MetaflowCardComponent]:
    """Card of the model that assesses the batch."""
    return [
        *header("Champion", version),
        Markdown(f"The model of **{text(champion.run)}** ({text(champion.found)})."),
    ]


def monitor_card(
    signal: Signal,
    assessment: BatchAssessment,
    earlier: Sequence[Signal],
    images: np.ndarray,
    *,
    config: VerdictConfig,
    version: DataVersion,
    may_retrain: bool = False,
    names: Sequence[str] | None = None,
    unreadable: int = 0,
) -> list[MetaflowCardComponent]:
    """Card of an assessment: verdict, accuracy, evidence, outliers and history.

    `earlier` ends with this run's own signal, `may_retrain` says whether the run was started with
    ``--retrain``, `names` are the file names of the images, `unreadable` is the number of earlier
    runs that could not be read.
    """
    return [
        *header(
            f"{_SHAPES[signal.verdict]} {_TITLES[signal.verdict]}",
            version,
            f"{text(sentence(signal.reason))} Verdict: `{signal.verdict}`.",
            _boxes(signal, assessment, may_retrain=may_retrain),
        ),
        Markdown(_batch(signal)),
        Markdown("## Accuracy on this batch"),
        Markdown(_accuracy(signal)),
        Markdown("## Evidence"),
        *_evidence(assessment, config),
        *_outliers(assessment, images, names),
        *history(earlier),
        _history(earlier),
        *_unreadable(unreadable),
    ]


def _boxes(signal: Signal, assessment: BatchAssessment, *, may_retrain: bool) -> Iterator[Any]:
    yield box(
        "Verdict",
        signal.verdict.replace("_", " "),
        _next_step(signal, may_retrain=may_retrain),
        good={"ok": True, "retrain": False}.get(signal.verdict),
    )
    yield box(
        "Images assessed", f"{signal.images:,}", f"of {signal.images_in_batch:,} in the batch"
    )
    if signal.accuracy:
        how = "measured with the labels" if signal.realised_accuracy else "estimated without labels"
        reference = signal.reference_accuracy
        change = (
            f"{100 * (signal.accuracy.value - reference.value):+.1f} points from the reference"
            if reference
            else ""
        )
        yield box(
            "Accuracy",
            percent(signal.accuracy.value),
            f"{how}; {interval(signal.accuracy, 1)}",
            change,
        )
    evidence = assessment.evidence
    if evidence is not None:
        yield box("p-value", p_value(evidence.p_value), "corrected for the number of tests")
        effect = max(evidence.effect_size, evidence.drop)
        yield box("Effect size", f"{effect:.3f}", "of the tests, or the loss of accuracy if larger")


def _next_step(signal: Signal, *, may_retrain: bool) -> str:
    labelled = signal.realised_accuracy is not None
    if signal.retrain and labelled and may_retrain:
        return "next: the step retrain of this run trains a challenger"
    return _NEXT_STEPS[signal.verdict][labelled]


def retraining_card(
    outcome: Retraining, contest: Contest | None, version: DataVersion
) -> list[MetaflowCardComponent]:
    """Card of the outcome of a retraining."""
    title = "Challenger promoted to champion" if outcome.promoted else "Champion unchanged"
    components = [*header(title, version), Markdown(f"**{text(sentence(outcome.reason))}**")]
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
        advice = "" if signal.realised_accuracy else f": {_MEASURE}"
        trust = "" if signal.estimate_reliable else f" **Unreliable**{advice}."
        lines.append(
            f"Estimated without labels: **{_interval(signal.estimated_accuracy)}**.{trust}"
        )
    if not lines:
        lines.append("Not available.")
    if signal.reference_accuracy:
        lines.append(f"On the held-out reference: {_interval(signal.reference_accuracy)}.")
    return "\n".join(f"- {line}" for line in lines)


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "none"
    return f"{percent(estimate.value)} ({interval(estimate, 1)})"


def _history(signals: Sequence[Signal]) -> MetaflowCardComponent:
    return details(
        "The latest runs",
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
            for one in reversed(signals[-_SHOWN_HISTORY:])
        ],
    )


def _unreadable(runs: int) -> list[MetaflowCardComponent]:
    if not runs:
        return []
    which = "1 earlier run" if runs == 1 else f"{runs:,} earlier runs"
    log = code("python flows/monitor.py logs RUN/assess")
    return [Markdown(f"Omitted: {which} could not be read; see {log}.")]


def _evidence(assessment: BatchAssessment, config: VerdictConfig) -> list[MetaflowCardComponent]:
    evidence = assessment.evidence
    if evidence is None:
        return [Markdown("No test was run.")]
    return [
        Markdown(
            f"The p-value is {p_value(evidence.p_value)}, corrected for the number of tests. "
            f"`watch` requires at most {watch_alpha(config):.2g}. `retrain` requires at most "
            f"{retrain_alpha(config):.2g}, an effect of at least {config.min_effect:g} (here "
            f"{max(evidence.effect_size, evidence.drop):.3f}), and a loss of accuracy of at least "
            f"{percent(config.min_drop)} (here {percent(evidence.drop)}). These p-values follow "
            "from the yearly budget of false alarms."
        ),
        table(
            ["test used for the verdict", "p-value"],
            [(name, p_value(value)) for name, value in evidence.p_values.items()],
        ),
        _tests(assessment),
        *_similar_shifts(assessment),
        *power(assessment.power),
    ]


def _tests(assessment: BatchAssessment) -> MetaflowCardComponent:
    return details(
        "All tests, uncorrected for their number",
        ["test", "differs", "p-value", "threshold", "effect size", "largest difference"],
        [
            (
                test.method,
                "YES" if test.drifted else "no",
                p_value(test.p_value),
                f"{test.alpha:g}",
                f"{test.effect_size:.3f} ({test.effect})",
                test.strongest,
            )
            for test in assessment.tests
        ],
    )


def _similar_shifts(assessment: BatchAssessment) -> list[MetaflowCardComponent]:
    if not assessment.similar_shifts:
        return []
    return [
        Markdown("## Most similar kind of shift"),
        Markdown(
            "Cosine similarity of the changes of named features to those under simulated shifts, "
            f"highest for **{text(assessment.looks_like)}**."
        ),
        table(
            ["kind", "most similar simulated shift", "similarity"],
            [(one.kind, one.example, f"{one.score:.2f}") for one in assessment.similar_shifts],
        ),
    ]


def _outliers(
    assessment: BatchAssessment, images: np.ndarray, names: Sequence[str] | None
) -> list[MetaflowCardComponent]:
    rows = assessment.outliers[:_SHOWN_IMAGES]
    if not len(rows):
        return []
    label = "number in the batch, counted from 0" if names is None else "file name"
    return pictures(
        [
            gallery(
                "outliers",
                images[rows],
                [_title(row, names) for row in rows],
                "Outliers",
                "Sorted by Mahalanobis distance from the reference, of the champion's outputs and "
                f"the named features, largest first. Above each image its {label}.",
            )
        ]
    )


def _title(row: int, names: Sequence[str] | None) -> str:
    return f"no. {row}" if names is None else shorten_middle(names[row], _TITLE_CHARS)
