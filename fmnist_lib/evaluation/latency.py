"""Prediction time."""

from __future__ import annotations

import time
from typing import Any

from fmnist_lib.features.chunks import one_thread


def milliseconds_per_image(pipeline: Any, images: Any, n: int = 1000) -> float:
    """Wall time of a prediction in a batch, on one core.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
    images : ndarray of uint8, shape (n_images, 28, 28)
    n : int, default=1000
        Images of the batch, if there are so many.
    """
    batch = images[:n]
    with one_thread():
        pipeline.predict_proba(batch[:100])
        start = time.monotonic()
        pipeline.predict_proba(batch)
    return 1000 * (time.monotonic() - start) / len(batch)
