import io

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.errors import DataError
from fmnist_lib.config.training import ExplainConfig
from fmnist_lib.explain.explainer import explain
from fmnist_lib.explain.owen import log_odds

CONFIG = ExplainConfig(images_per_class=2, background_rows=50, evaluations=100)


@pytest.fixture(scope="module")
def explanation(kernel_champion, test_images, test_labels, train_images):
    return explain(kernel_champion, test_images, test_labels, train_images, CONFIG, seed=0)


def test_images_of_every_class_are_explained(explanation):
    assert np.bincount(explanation.labels).tolist() == [2] * 10
    assert explanation.images.dtype == np.uint8
    assert explanation.n_mistakes >= 5
    assert (explanation.predictions == explanation.probabilities.argmax(axis=1)).all()
    assert explanation.background_rows == 50
    assert explanation.seconds > 0


def test_the_values_add_up_to_the_log_odds(explanation):
    totals = explanation.base_values + explanation.shap_values.sum(axis=(1, 2))
    assert totals == pytest.approx(log_odds(explanation.probabilities), abs=1e-3)
    assert explanation.is_additive


def test_importance_is_the_mean_absolute_value_of_a_class(explanation):
    assert explanation.importance.shape == (10, 28, 28)
    expected = np.abs(explanation.shap_values[..., 6]).mean(axis=0)
    assert explanation.importance[6] == pytest.approx(expected)


def test_the_scores_belong_to_the_explained_images(explanation):
    faithfulness = explanation.scores.faithfulness
    assert faithfulness.original == pytest.approx(explanation.probabilities.max(axis=1))
    assert explanation.trust.sentence.startswith("Trust these maps: ")


def test_every_figure_is_a_png_with_something_on_it(explanation):
    names = [picture.name for picture in explanation.pictures]
    assert names == ["shap-classes", "shap-images", "shap-mistakes", "faithfulness"]
    for picture in explanation.pictures:
        assert np.asarray(Image.open(io.BytesIO(picture.png)).convert("L")).std() > 5


def test_the_same_seed_explains_the_same_images(
    explanation, kernel_champion, test_images, test_labels, train_images
):
    again = explain(kernel_champion, test_images, test_labels, train_images, CONFIG, seed=0)
    assert (again.images == explanation.images).all()
    assert (again.shap_values == explanation.shap_values).all()


def test_a_champion_without_a_mistake_has_no_figure_of_mistakes(
    linear_champion, test_images, train_images
):
    labels = linear_champion.predict(test_images)
    result = explain(linear_champion, test_images, labels, train_images, CONFIG, seed=0)
    assert result.n_mistakes == 0
    assert "shap-mistakes" not in [picture.name for picture in result.pictures]


class Constant(ClassifierMixin, BaseEstimator):
    """Ten classes, all as likely, whatever the image."""

    def fit(self, X, y):  # noqa: ARG002 (scikit-learn's signature)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 10), 0.1)


def test_a_constant_predictor_has_no_effects_and_is_said_so(
    test_images, test_labels, train_images, pixels
):
    constant = make_pipeline(pixels, Constant().fit(None, np.arange(10)))
    result = explain(constant, test_images, test_labels, train_images, CONFIG, seed=0)
    assert not result.shap_values.any()
    assert result.trust.level == "no"
    assert "no pixel has any effect" in result.trust.sentence
    texts = [one.value + one.failure for one in result.trust.checks]
    assert not any("nan" in text.lower() for text in texts)


def test_black_images_are_explained(kernel_champion, test_images, test_labels, train_images):
    images = np.zeros_like(test_images[:500])
    result = explain(kernel_champion, images, test_labels[:500], train_images, CONFIG, seed=0)
    assert np.isfinite(result.shap_values).all()
    assert result.is_additive


def test_labels_of_other_images_are_refused(
    linear_champion, test_images, test_labels, train_images
):
    with pytest.raises(DataError, match="a label for each"):
        explain(linear_champion, test_images, test_labels[:10], train_images, CONFIG, seed=0)


def test_a_champion_of_two_classes_is_refused(
    train_images, train_labels, test_images, test_labels, pixels
):
    binary = make_pipeline(pixels, LogisticRegression(max_iter=20))
    binary.fit(train_images[:200], train_labels[:200] == 6)
    with pytest.raises(DataError, match="10 classes, got 2"):
        explain(binary, test_images, test_labels, train_images, CONFIG, seed=0)
