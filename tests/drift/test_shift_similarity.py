import numpy as np
import pytest

from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.shift_similarity import movement, rank_similar_shifts
from fmnist_lib.drift.shifts.catalogue import simulate


def _ranked(held_out, champion, name, severity, fraction):
    reference, stock = held_out
    images = simulate(name, stock.images, stock.classes, 5, severity).images
    if fraction < 1:
        unchanged = slice(round(fraction * len(images)), None)
        images[unchanged] = stock.images[unchanged]
    current = Batch(images, champion.predict_proba(images))
    return rank_similar_shifts(reference, current, seed=0)


@pytest.mark.parametrize(
    ("name", "severity", "fraction", "kind"),
    [
        ("gaussian_noise", 20, 0.5, "noise"),
        ("salt_and_pepper", 0.15, 0.5, "noise"),
        ("image_medium", 0.8, 1.0, "geometry"),
        ("translation", 2, 1.0, "geometry"),
        ("brighter", 0.4, 1.0, "intensity"),
        ("inverted", 1.0, 0.3, "intensity"),
        ("blur", 1.2, 1.0, "blur"),
        ("occlusion", 12, 1.0, "occlusion"),
        ("class_knockout", 1.0, 1.0, "class mix"),
        ("label_shift", 1.0, 1.0, "class mix"),
    ],
)
def test_a_shift_looks_like_its_kind(held_out, champion, name, severity, fraction, kind):
    ranked = _ranked(held_out, champion, name, severity, fraction)
    assert ranked[0].kind == kind
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    assert len({one.kind for one in ranked}) == len(ranked)
    assert all(0 <= one.score <= 1 for one in ranked)


def test_movement_grows_in_proportion_with_the_share_that_moved(rng):
    before, moved = rng.normal(size=(4000, 3)), rng.normal([0.5, 2, 0], size=(400, 3))
    whole = movement(before, moved)
    half = movement(before, np.concatenate([moved, before[:400]]))
    still = movement(before, before[:400])
    assert half == pytest.approx((whole + still) / 2)
