import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.drift.assessment import assess_batch
from fmnist_lib.drift.batch import Batch, halves
from fmnist_lib.drift.shifts.catalogue import simulate

CONFIG = DriftConfig(tests=("chi2-classes",), domain_rows=600)


@pytest.fixture(scope="module")
def labelled(champion, test_images, test_labels):
    """Reference and held-back batch, 1,000 images each, with labels."""
    return halves(test_images, champion.predict_proba(test_images), seed=0, labels=test_labels)


@pytest.fixture(scope="module")
def noisy(champion, labelled):
    held_back = labelled[1]
    images = simulate("gaussian_noise", held_back.images, held_back.classes, 0, severity=100).images
    return Batch(images, champion.predict_proba(images))


@pytest.fixture(scope="module")
def of_noise(labelled, noisy):
    return assess_batch(labelled[0], noisy, CONFIG, seed=0)


def test_other_held_out_images_are_ok(labelled):
    batch = Batch(labelled[1].images, labelled[1].probabilities)
    result = assess_batch(labelled[0], batch, CONFIG, seed=0)
    assert result.verdict == "ok"
    assert result.estimate.reliable
    truth = (labelled[1].classes == labelled[1].labels).mean()
    assert result.estimate.low <= truth <= result.estimate.high
    assert result.realised is None
    assert result.similar_shifts == ()


def test_strong_noise_calls_for_retraining(of_noise):
    assert of_noise.verdict == "retrain"
    assert of_noise.estimate.value < of_noise.reference_accuracy.value - 0.05
    assert not of_noise.estimate.reliable
    assert of_noise.looks_like == "noise"
    assert [test.method for test in of_noise.tests] == [
        "ks-default",
        "domain-classifier",
        "chi2-classes",
    ]


def test_labels_replace_the_estimate(labelled, noisy):
    """Images that differ, but that the champion classifies correctly."""
    right = Batch(noisy.images, noisy.probabilities, noisy.classes.astype(np.uint8))
    result = assess_batch(labelled[0], right, CONFIG, seed=0)
    assert result.realised.value == 1.0
    assert result.verdict == "watch"
    assert "by the labels" in result.reason


def test_the_same_images_with_other_labels_call_for_retraining(labelled):
    """Only the labels can detect this."""
    batch = labelled[1]
    wrong = Batch(batch.images, batch.probabilities, ((batch.labels + 1) % 10).astype(np.uint8))
    result = assess_batch(labelled[0], wrong, CONFIG, seed=0)
    assert result.verdict == "retrain"
    assert "lower accuracy by labels" in result.reason


def test_too_few_images_are_not_assessed(labelled):
    result = assess_batch(labelled[0], labelled[1].rows(np.arange(49)), CONFIG, seed=0)
    assert result.verdict == "insufficient_data"
    assert "49 images" in result.reason
    assert (result.tests, result.estimate, result.p_value) == ((), None, None)
    assert result.realised is not None


def test_the_strongest_outliers_are_the_changed_images(labelled, noisy):
    mixed = labelled[1].images.copy()
    mixed[100:110] = noisy.images[100:110]
    probabilities = labelled[1].probabilities.copy()
    probabilities[100:110] = noisy.probabilities[100:110]
    result = assess_batch(labelled[0], Batch(mixed, probabilities), CONFIG, seed=0)
    assert set(range(100, 110)) <= set(result.outliers[:12].tolist())


def test_the_same_seed_gives_the_same_assessment(labelled, noisy, of_noise):
    again = assess_batch(labelled[0], noisy, CONFIG, seed=0)
    assert again.estimate == of_noise.estimate
    assert again.similar_shifts == of_noise.similar_shifts
    assert (again.outliers == of_noise.outliers).all()


def test_a_reference_without_labels_is_refused(labelled, noisy):
    with pytest.raises(DataError, match="reference with labels"):
        assess_batch(Batch(labelled[0].images, labelled[0].probabilities), noisy, CONFIG, 0)
