from __future__ import annotations

import numpy as np

from fmnist_lib.data.synthetic import generate


def test_images_have_the_real_format():
    images, labels = generate(1000, seed=0)
    assert images.shape == (1000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [100] * 10
    assert 0.3 < (images == 0).mean() < 0.8
    assert images.max() > 200


def test_a_seed_gives_the_same_images_and_another_seed_others():
    (first, labels), (again, same), (other, _) = (
        generate(200, 1),
        generate(200, 1),
        generate(200, 2),
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(labels, same)
    assert not np.array_equal(first, other)


def test_no_two_images_are_the_same():
    images, _ = generate(2000, seed=0)
    assert len({image.tobytes() for image in images}) == 2000


def test_classes_can_be_learned_but_not_perfectly():
    from sklearn.ensemble import ExtraTreesClassifier

    images, labels = generate(4000, seed=0)
    X = images.reshape(len(images), -1)
    model = ExtraTreesClassifier(40, random_state=0).fit(X[:3000], labels[:3000])
    accuracy = model.score(X[3000:], labels[3000:])
    assert 0.8 < accuracy < 0.98
