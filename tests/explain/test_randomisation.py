import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier

from fmnist_lib.explain.attribution import attribute
from fmnist_lib.explain.randomisation import fit_shuffled, randomisation


@pytest.fixture(scope="module")
def explained(kernel_champion, test_images, train_images):
    def explain(model):
        return attribute(model, test_images[:5], train_images[:50], evaluations=100).shap_values

    predictions = kernel_champion.predict(test_images[:5])
    return explain, explain(kernel_champion), predictions


def test_maps_differ_from_those_of_shuffled_labels_and_of_other_classes(
    kernel_champion, train_images, explained
):
    found = randomisation(kernel_champion, *explained, train_images, seed=0)
    assert found.not_fitted == ""
    assert abs(found.shuffled_labels.mean) < 0.5
    assert found.other_class.mean < 0.5


def test_maps_that_ignore_model_and_class_are_exposed(kernel_champion, train_images, explained):
    _, values, predictions = explained
    edges = np.repeat(values[..., :1], 10, axis=3)
    found = randomisation(
        kernel_champion, lambda _: edges, edges, predictions, train_images, seed=0
    )
    assert found.shuffled_labels.mean == pytest.approx(1)
    assert found.other_class.mean == pytest.approx(1)


def test_the_model_of_shuffled_labels_has_the_features_and_settings_but_has_learned_nothing(
    kernel_champion, train_images, train_labels
):
    noise, reason = fit_shuffled(kernel_champion, train_images, np.random.default_rng(0))
    assert reason == ""
    assert noise[0] is kernel_champion[0]
    assert (noise.predict(train_images) == train_labels).mean() < 0.3
    assert kernel_champion.score(train_images, train_labels) > 0.7


def test_an_ensemble_is_not_refitted_and_says_so(kernel_champion, train_images):
    voting = VotingClassifier([("one", kernel_champion)], voting="soft")
    noise, reason = fit_shuffled(voting, train_images, np.random.default_rng(0))
    assert noise is None
    assert "takes too long" in reason


def test_a_step_that_cannot_be_refitted_is_named(train_images):
    class Fixed:
        """Not a scikit-learn estimator."""

    noise, reason = fit_shuffled(Fixed(), train_images, np.random.default_rng(0))
    assert noise is None
    assert "TypeError" in reason
