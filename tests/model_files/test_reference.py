from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.errors import ModelError
from fmnist_lib.model_files.reference import FLAGGED_SHARE, HeldOutReference


def test_confidence_is_monotone_in_the_probability(reference, champion, train_images):
    probability = champion.predict_proba(train_images[3000:]).max(axis=1)
    confidence = reference.confidence(probability)
    assert np.all((confidence > 0) & (confidence < 1))
    assert np.all(np.diff(confidence[np.argsort(probability)]) >= 0)


def test_confidence_fits_images_it_was_not_fitted_on(
    champion, train_images, train_labels, test_images, test_labels
):
    reference = HeldOutReference.fit(
        train_images, test_images, test_labels, champion.predict_proba(test_images)
    )
    probabilities = champion.predict_proba(train_images[2000:])
    correct = probabilities.argmax(axis=1) == train_labels[2000:]
    confidence = reference.confidence(probabilities.max(axis=1))
    assert abs(confidence.mean() - correct.mean()) < 0.02


def test_out_of_distribution_images_are_flagged_and_others_rarely(reference, train_images, rng):
    assert reference.is_out_of_distribution(train_images[1:6000:2]).mean() <= 4 * FLAGGED_SHARE
    images = train_images[:300]
    noise = rng.integers(0, 256, images.shape, dtype=np.uint8)
    assert reference.is_out_of_distribution(noise).all()
    assert reference.is_out_of_distribution(255 - images).mean() > 0.9


def test_save_and_load_round_trip(reference, test_images, tmp_path):
    reference.save(tmp_path / "reference.npz")
    copy = HeldOutReference.load(tmp_path / "reference.npz")
    np.testing.assert_array_equal(copy.distances(test_images), reference.distances(test_images))


def test_a_bomb_and_arrays_of_text_are_refused(reference, tmp_path):
    arrays = vars(reference)
    bomb = tmp_path / "reference.npz"
    np.savez_compressed(bomb, **arrays | {"mean": np.zeros(20_000_000, dtype=np.float32)})
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(ModelError, match="bytes when unpacked, more than 50000000"):
        HeldOutReference.load(bomb)
    np.savez(bomb, **arrays | {"probabilities": np.array(["a", "b"])})
    with pytest.raises(ModelError, match="floating-point numbers, got others for probabilities"):
        HeldOutReference.load(bomb)


@pytest.mark.parametrize("what", ["text", "missing", "shape"])
def test_another_file_is_named(reference, tmp_path, what):
    path = tmp_path / "reference.npz"
    reference.save(path)
    arrays = dict(np.load(path))
    if what == "text":
        path.write_bytes(b"text")
    elif what == "missing":
        del arrays["mean"]
        np.savez(path, **arrays)
    else:
        np.savez(path, **arrays | {"mean": np.zeros(3)})
    with pytest.raises(ModelError, match=r"reference\.npz: expected the reference of a model"):
        HeldOutReference.load(path)
