import numpy as np
import pytest

from fmnist_lib.drift.accuracy import estimate_accuracy, realised_accuracy
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.calibration import calibrate
from fmnist_lib.drift.two_sample.result import TwoSampleResult


def _domain(effect, p_value):
    values = np.array([p_value])
    return TwoSampleResult(
        "domain-classifier", ("x",), values, values, values, 0.05, effect, "", 9, 9
    )


IN_DISTRIBUTION, SHIFTED = _domain(0.01, 0.4), _domain(0.9, 1e-9)


def _batch(rng, n, hard=0.2):
    """Calibrated outputs; a share of the images is hard."""
    top = np.where(rng.random(n) < hard, rng.uniform(0.3, 0.6, n), rng.uniform(0.9, 1.0, n))
    classes = rng.integers(0, 10, n)
    probabilities = np.repeat(((1 - top) / 9)[:, None], 10, axis=1)
    probabilities[np.arange(n), classes] = top
    labels = np.where(rng.random(n) < top, classes, (classes + 1) % 10).astype(np.uint8)
    return Batch(np.zeros((n, 28, 28), np.uint8), probabilities, labels)


def _estimate(reference, batch, domain=IN_DISTRIBUTION):
    return estimate_accuracy(reference, batch, calibrate(reference, 0), domain)


@pytest.mark.parametrize("hard", [0.0, 0.2, 0.6])
def test_the_estimate_follows_the_share_of_hard_images(rng, hard):
    reference, batch = _batch(rng, 5000), _batch(rng, 5000, hard)
    truth = (batch.classes == batch.labels).mean()
    assert _estimate(reference, batch).value == pytest.approx(truth, abs=0.05)


def test_the_interval_has_about_its_nominal_coverage(rng):
    reference = _batch(rng, 5000)
    calibration = calibrate(reference, 0)
    inside = 0
    for _ in range(100):
        batch = _batch(rng, 300)
        found = estimate_accuracy(reference, batch, calibration, IN_DISTRIBUTION)
        assert 0 <= found.low < found.value < found.high <= 1
        inside += found.low <= (batch.classes == batch.labels).mean() <= found.high
    assert inside >= 88


def test_the_estimate_on_the_reference_equals_its_accuracy(rng):
    reference = _batch(rng, 5000)
    found = _estimate(reference, reference)
    truth = (reference.classes == reference.labels).mean()
    assert found.value == pytest.approx(truth)


def test_tied_confidences_at_the_threshold_are_weighted(rng):
    reference = _batch(rng, 2000)
    probabilities = np.where(reference.probabilities > 0.5, 0.91, 0.01)
    probabilities[probabilities.max(axis=1) < 0.5, 0] = 0.91
    equal = Batch(reference.images, probabilities, reference.labels)
    truth = (equal.classes == equal.labels).mean()
    assert _estimate(equal, equal).value == pytest.approx(truth)


def test_an_out_of_distribution_batch_makes_the_estimate_unreliable(rng):
    reference, batch = _batch(rng, 1000), _batch(rng, 300)
    assert _estimate(reference, batch).reliable
    shifted = _estimate(reference, batch, SHIFTED)
    assert not shifted.reliable
    assert "classifier 90 %" in shifted.reason


def test_labels_give_the_realised_accuracy(rng):
    batch = _batch(rng, 300)
    found = realised_accuracy(batch)
    assert found.value == (batch.classes == batch.labels).mean()
    assert found.low < found.value < found.high
    assert realised_accuracy(Batch(batch.images, batch.probabilities)) is None
