from __future__ import annotations

import pytest

from fmnist_lib.common.statistics import Estimate
from fmnist_lib.monitor.signal import Signal


@pytest.fixture
def make_signal():
    """Build a signal; keyword arguments replace its fields."""

    def make(**changes):
        content = {
            "verdict": "watch",
            "reason": "it looks brighter, but accuracy holds",
            "created": "2026-01-31T02:00:00+00:00",
            "batch": "batch.npz",
            "batch_sha256": "ab" * 32,
            "images": 500,
            "images_in_batch": 500,
            "champion": "FashionMnistTrain/1",
            "monitor_run": "FashionMnistMonitor/2",
            "p_value": 0.001,
            "reference_accuracy": Estimate(0.9, 0.89, 0.91),
            "estimated_accuracy": Estimate(0.88, 0.85, 0.91),
            "estimate_reliable": True,
            "realised_accuracy": None,
        }
        return Signal(**content | changes)

    return make
