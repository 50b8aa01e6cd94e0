from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cards.monitor import champion_card, monitor_card, retraining_card
from cards.sections.history import history
from fmnist_lib.common.montage import gallery
from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.drift import DriftConfig, VerdictConfig
from fmnist_lib.drift.assessment import assess_batch
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.power import PowerRow
from fmnist_lib.monitor.challenge import Champion
from fmnist_lib.monitor.signal import Retraining, Signal
from fmnist_lib.workflows.retrain import contest
from tests.card_reader import Card
from tests.data_versions import OFFICIAL


def text(components):
    return Card(components).text


def make_batch(images, labels, accuracy, rng):
    """Outputs of a model with the given accuracy and confidence."""
    answers = np.where(rng.random(len(labels)) < accuracy, labels, (labels + 1) % 10)
    probabilities = rng.dirichlet(np.ones(10), len(labels)) * 0.2
    probabilities[np.arange(len(labels)), answers] += 0.8
    return Batch(images, probabilities, labels)


@pytest.fixture(scope="module")
def assessment(test_images, test_labels):
    rng = np.random.default_rng(0)
    reference = make_batch(test_images[:1000], test_labels[:1000], 0.9, rng)
    current = make_batch(test_images[1000:1500] // 4, test_labels[1000:1500], 0.5, rng)
    return assess_batch(reference, current, DriftConfig(), seed=0)


@pytest.fixture(scope="module")
def signal(assessment):
    return Signal(
        verdict=assessment.verdict,
        reason=assessment.reason,
        created="2026-01-31T02:00:00+00:00",
        batch="dark.npz",
        batch_sha256="ab" * 32,
        images=500,
        images_in_batch=5000,
        champion="FashionMnistTrain/1",
        monitor_run="FashionMnistMonitor/2",
        p_value=assessment.p_value,
        reference_accuracy=assessment.reference_accuracy,
        estimated_accuracy=assessment.estimate.estimate,
        estimate_reliable=assessment.estimate.reliable,
        realised_accuracy=assessment.realised,
        looks_like=assessment.looks_like,
    )


@pytest.fixture(scope="module")
def card(signal, assessment, test_images):
    return monitor_card(
        signal,
        assessment,
        [signal] * 3,
        test_images[1000:1500],
        config=VerdictConfig(),
        version=OFFICIAL,
    )


def test_the_gallery_names_the_files(signal, assessment, test_images, monkeypatch):
    shown = []

    def note(name, images, captions, title, caption):
        shown.append((captions, caption))
        return gallery(name, images, captions, title, caption)

    monkeypatch.setattr("cards.monitor.gallery", note)
    names = [f"bag {number} $x_.png" for number in range(500)]
    for known in (names, None):
        monitor_card(
            signal,
            assessment,
            [signal],
            test_images[1000:1500],
            config=VerdictConfig(),
            version=OFFICIAL,
            names=known,
        )
    first, second = (int(row) for row in assessment.outliers[:2])
    assert shown[0][0][:2] == [names[first], names[second]]
    assert "its file name" in shown[0][1]
    assert shown[1][0][:2] == [f"no. {first}", f"no. {second}"]


def test_the_verdict_comes_first_in_words_and_as_a_shape(card):
    read = Card(card)
    assert read.title == "\N{BLACK DIAMOND} Retraining required"
    assert "by the labels the accuracy is" in read.sentences[1]
    assert read.boxes["Verdict"] == "retrain next: run again with --retrain"
    assert "measured with the labels" in read.boxes["Accuracy"]


def test_evidence_accuracy_pictures_and_history_follow(card):
    content = text(card)
    for expected in (
        "a random 500 of 5,000 images",
        "Measured with the labels",
        "Estimated without labels",
        "KS of",
        "ks-default",
        "Most similar kind of shift",
        "Verdicts over time",
    ):
        assert expected in content
    assert len(Card(card).captions) == 1  # outliers; the history is a chart
    assert len(Card(card).tables) >= 4


@pytest.mark.parametrize("n_runs", [1, 60])
def test_the_history_shows_every_run_with_its_verdict(signal, n_runs):
    verdicts = ["insufficient_data", "ok", "watch", "retrain"]
    signals = [
        replace(signal, verdict=verdicts[run % 4], created=f"2026-01-31T02:{run:02}:00+00:00")
        for run in range(n_runs)
    ]
    signals[0] = replace(
        signals[0], estimated_accuracy=None, realised_accuracy=None, reference_accuracy=None
    )
    (chart,) = Card(history(signals)).charts
    rows = chart["data"]["values"]
    assert len({row["created"] for row in rows}) == n_runs
    assert rows[0]["accuracy"] is None
    assert rows[0]["source"] == "none"
    assert "2026-01-31T02:00 insufficient data without accuracy" in chart["description"]
    if n_runs > 1:
        assert rows[1]["verdict"] == "ok"
        assert rows[1]["low"] < rows[1]["accuracy"] < rows[1]["high"]


def test_the_power_at_this_size_is_a_sentence(assessment, signal, test_images):
    rows = tuple(
        PowerRow("ks-default", shift, fraction, 500, alarms, 100, wilson(alarms, 100))
        for shift, fraction, alarms in (
            ("none", 0.0, 4),
            ("image_large", 0.5, 99),
            ("noise_small", 0.5, 7),
            ("image_large", 1.0, 100),
        )
    )
    content = text(
        monitor_card(
            signal,
            replace(assessment, power=rows),
            [signal],
            test_images[1000:1500],
            config=VerdictConfig(),
            version=OFFICIAL,
        )
    )
    assert "raises an alarm in 99 % of the batches for *image large*" in content
    assert "7 % for *noise small*" in content
    assert "false-alarm rate without a shift is 4.0 %." in content


def test_too_few_images_make_a_card_without_evidence(test_images, test_labels, signal):
    rng = np.random.default_rng(0)
    reference = make_batch(test_images[:1000], test_labels[:1000], 0.9, rng)
    few = make_batch(test_images[:20], test_labels[:20], 0.9, rng)
    assessment = assess_batch(reference, few, DriftConfig(), seed=0)
    signal = replace(
        signal,
        verdict="insufficient_data",
        reason=assessment.reason,
        p_value=None,
        estimated_accuracy=None,
        realised_accuracy=None,
    )
    content = text(
        monitor_card(
            signal,
            assessment,
            [signal],
            test_images[:20],
            config=VerdictConfig(),
            version=OFFICIAL,
        )
    )
    assert "Too few images" in content
    assert "Not available." in content


@pytest.mark.parametrize(
    ("verdict", "labelled", "may_retrain", "next_step"),
    [
        ("ok", False, False, "nothing to do"),
        ("watch", False, True, "label some images, and run again with --labels"),
        ("watch", True, True, "look at the outliers and tests below"),
        ("retrain", False, False, "label the batch, and run again with --labels and --retrain"),
        ("retrain", False, True, "label the batch, and run again with --labels and --retrain"),
        ("retrain", True, False, "run again with --retrain"),
        ("retrain", True, True, "the step retrain of this run trains a challenger"),
    ],
)
def test_the_next_step_asks_for_nothing_that_was_given(
    signal, assessment, test_images, verdict, labelled, may_retrain, next_step
):
    known = signal.realised_accuracy if labelled else None
    changed = replace(signal, verdict=verdict, realised_accuracy=known)
    card = monitor_card(
        changed,
        assessment,
        [changed],
        test_images[1000:1500],
        config=VerdictConfig(),
        version=OFFICIAL,
        may_retrain=may_retrain,
    )
    assert Card(card).boxes["Verdict"].removeprefix(f"{verdict} ").removeprefix("next: ") == (
        next_step
    )


def test_an_unreliable_estimate_says_so_and_asks_for_labels_that_are_missing(
    assessment, signal, test_images
):
    for known, advice in ((None, ": run again with `--labels FILE`"), (wilson(9, 10), ".")):
        doubtful = replace(signal, estimate_reliable=False, realised_accuracy=known)
        content = text(
            monitor_card(
                doubtful,
                assessment,
                [doubtful],
                test_images[1000:],
                config=VerdictConfig(),
                version=OFFICIAL,
            )
        )
        assert f"**Unreliable**{advice}" in content


def test_the_outcome_of_a_retraining_is_a_table_of_both_models():
    labels = np.zeros(100, int)
    better = contest(labels, np.arange(100) // 50, labels, 20, 0.05)
    won = Retraining("FashionMnistTrain/9", promoted=True, reason=better.reason)
    content = text(retraining_card(won, better, OFFICIAL))
    assert "Challenger promoted to champion" in content
    assert "FashionMnistTrain/9" in content
    assert "100.0 %" in content
    none = Retraining(None, promoted=False, reason="the monitor says ok")
    assert "The monitor says ok." in text(retraining_card(none, None, OFFICIAL))


def test_the_champion_is_named():
    content = text(champion_card(Champion("FashionMnistTrain/1", None, "alias"), OFFICIAL))
    assert "FashionMnistTrain/1" in content


def test_runs_that_could_not_be_read_are_counted_on_the_card(signal, assessment, test_images):
    options = {"config": VerdictConfig(), "version": OFFICIAL}
    images = test_images[1000:1500]
    for number, words in ((0, None), (1, "1 earlier run could"), (3, "3 earlier runs could")):
        shown = text(
            monitor_card(signal, assessment, [signal], images, **options, unreadable=number)
        )
        assert (words is None and "could not be read" not in shown) or words in shown
