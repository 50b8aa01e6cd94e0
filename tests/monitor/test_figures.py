from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.monitor.figures import gallery, history_chart

PNG = b"\x89PNG"


@pytest.mark.parametrize("count", [1, 60])
def test_the_history_is_drawn_for_one_run_and_for_many(make_signal, count):
    verdicts = ["insufficient_data", "ok", "watch", "retrain"]
    signals = [make_signal(verdict=verdicts[number % 4]) for number in range(count)]
    signals[0] = make_signal(estimated_accuracy=None, reference_accuracy=None)
    assert history_chart(signals).png.startswith(PNG)


@pytest.mark.parametrize("count", [1, 8, 11])
def test_the_gallery_takes_any_number_of_images(count):
    images = np.zeros((count, 28, 28), np.uint8)
    assert gallery(images, ["Bag"] * count, "title", "caption").png.startswith(PNG)
