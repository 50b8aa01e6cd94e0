import numpy as np
import pytest

from fmnist_lib.common.calibration import expected_calibration_error
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.calibration import calibrate


def _batch(rng, sharpness, n=4000):
    """Outputs that are calibrated at sharpness 1, and overconfident above it."""
    scores = rng.normal(size=(n, 10)) * 2
    honest = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (honest.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    claimed = np.exp(scores * sharpness)
    claimed /= claimed.sum(axis=1, keepdims=True)
    return Batch(np.zeros((n, 28, 28), np.uint8), claimed, labels.astype(np.uint8))


@pytest.mark.parametrize("sharpness", [0.4, 3.0])
def test_overconfident_and_underconfident_outputs_are_calibrated(rng, sharpness):
    reference, fresh = _batch(rng, sharpness), _batch(rng, sharpness)
    calibration = calibrate(reference, seed=0)
    assert calibration.method != "none"
    right = fresh.classes == fresh.labels
    after = expected_calibration_error(calibration.confidence(fresh.probabilities), right)
    assert after < expected_calibration_error(fresh.confidence, right) / 2


def test_a_calibration_that_does_not_help_is_not_used(rng, monkeypatch):
    from fmnist_lib.drift import calibration as module

    def useless(*_):
        return lambda probabilities: np.zeros(len(probabilities))

    monkeypatch.setattr(module, "_METHODS", {"temperature": useless})
    reference = _batch(rng, 1.0)
    found = calibrate(reference, seed=0)
    assert found.method == "none"
    assert (found.confidence(reference.probabilities) == reference.confidence).all()
