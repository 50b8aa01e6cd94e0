"""The run that tests/release packs, and results of runs to compare."""

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.evaluation.run_comparison import RunResults
from tests.release.conftest import contents

__all__ = ["contents"]


@pytest.fixture
def make(test_images, test_labels):
    """Return a function that makes the results of a run with so many wrong predictions."""

    def results(name, n_wrong, **changes):
        predictions = np.array(test_labels)
        predictions[:n_wrong] = (predictions[:n_wrong] + 1) % 10
        row = {
            "candidate": "kernel",
            "status": "winner",
            "search_seconds": 60.0,
            "fit_seconds": 5.0,
            "fit_rows": 1000,
            "predict_ms_per_image": 0.5,
            "model_mb": 10.0,
        }
        usual = {
            "name": name,
            "settings": {"seed": 1},
            "data": {"test": "a" * 64},
            "code": {},
            "leaderboard": pd.DataFrame([row]),
            "labels": test_labels,
            "predictions": predictions,
            "images": test_images,
        }
        return RunResults(**(usual | changes))

    return results
