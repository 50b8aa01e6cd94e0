import numpy as np
import pytest

from fmnist_lib.explain.owen import log_odds, owen_values, predict_chunks


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).normal(size=(784, 3)) / 784


def additive(weights):
    return lambda images: images.reshape(len(images), -1) / 255 @ weights


def test_values_of_an_additive_model_are_exact_in_every_pixel(weights, test_images):
    images, hidden = test_images[:2], np.full((28, 28), 90, dtype=np.uint8)
    values, base = owen_values(additive(weights), images, hidden, evaluations=7000)
    change = (images.astype(float) - hidden).reshape(2, -1, 1) / 255
    assert values.reshape(2, 784, 3) == pytest.approx(change * weights, abs=1e-12)
    assert base == pytest.approx(additive(weights)(hidden[None])[0])


def test_values_of_a_product_are_shared_equally(test_images):
    """Two white pixels in opposite corners, which count only together."""

    def both(images):
        product = (images[:, 0, 0] == 255) & (images[:, 27, 27] == 255)
        return np.stack([product, ~product], axis=1).astype(float)

    image = test_images[:1].copy()
    image[:, [0, 27], [0, 27]] = 255
    values, _ = owen_values(both, image, np.zeros((28, 28), dtype=np.uint8), evaluations=800)
    assert values[0, [0, 27], [0, 27], 0] == pytest.approx([0.5, 0.5])
    assert np.abs(values[..., 0]).sum() == pytest.approx(1)


@pytest.mark.parametrize("evaluations", [2, 101, 400])
def test_values_add_up_whatever_the_evaluations_and_no_more_are_used(
    kernel_champion, test_images, evaluations
):
    scored = []

    def predict_proba(images):
        scored.append(len(images))
        return kernel_champion.predict_proba(images)

    hidden = np.zeros((28, 28), dtype=np.uint8)
    values, base = owen_values(predict_proba, test_images[:3], hidden, evaluations)
    assert sum(scored) <= 3 * evaluations + 4
    totals = base + values.sum(axis=(1, 2))
    assert totals == pytest.approx(kernel_champion.predict_proba(test_images[:3]), abs=1e-9)


def test_an_image_explained_with_others_has_the_values_it_has_alone(kernel_champion, test_images):
    hidden = np.zeros((28, 28), dtype=np.uint8)
    explain = kernel_champion.predict_proba
    together, _ = owen_values(explain, test_images[:3], hidden, evaluations=100)
    alone, _ = owen_values(explain, test_images[1:2], hidden, evaluations=100)
    assert together[1] == pytest.approx(alone[0], abs=1e-9)


def test_an_image_of_hidden_pixels_only_has_no_effects(kernel_champion):
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    values, _ = owen_values(kernel_champion.predict_proba, image, image[0], evaluations=50)
    assert not values.any()


def test_chunks_are_scored_in_the_order_of_the_images(kernel_champion, test_images):
    scored = predict_chunks(kernel_champion.predict_proba, test_images[:600])
    assert scored == pytest.approx(kernel_champion.predict_proba(test_images[:600]), abs=1e-9)


def test_log_odds_are_exact_where_one_class_is_almost_certain():
    found = log_odds(np.array([[1 - 1e-5, 6e-6, 4e-6], [1.0, 0.0, 0.0]]))
    assert found[0, 0] == pytest.approx(np.log(1e5), abs=1e-4)
    assert np.isfinite(found).all()
