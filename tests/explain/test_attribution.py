import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmnist_lib.explain import attribution as module
from fmnist_lib.explain.attribution import attribute, mean_image
from fmnist_lib.explain.owen import log_odds


@pytest.fixture
def background(train_images):
    # More than the 100 rows that SHAP's own default would keep.
    return train_images[:150]


@pytest.fixture
def few_labelled(train_images, train_labels):
    return train_images[:500], train_labels[:500]


@pytest.mark.parametrize(
    ("champion", "choice"),
    [
        ("linear_champion", "LinearExplainer"),
        ("boosted_champion", "Owen values"),
        ("kernel_champion", "Owen values"),
    ],
)
def test_every_kind_of_champion_gets_its_explainer_and_adds_up(
    request, test_images, background, champion, choice
):
    model = request.getfixturevalue(champion)
    result = attribute(model, test_images[:5], background, evaluations=200)
    assert result.explainer == choice
    assert result.shap_values.shape == (5, 28, 28, 10)
    assert result.shap_values.dtype == np.float32
    totals = result.base_values + result.shap_values.sum(axis=(1, 2))
    if result.explainer == "Owen values":
        expected = log_odds(model.predict_proba(test_images[:5]))
    else:
        expected = model.decision_function(test_images[:5])
    assert totals == pytest.approx(expected, abs=result.additivity_bound)
    assert result.additivity_error == pytest.approx(np.abs(totals - expected).max(), abs=1e-4)
    assert np.abs(result.shap_values).max() > 100 * result.additivity_error / 784


def test_linear_values_are_coefficient_times_distance_from_the_mean(
    train_images, train_labels, test_images, background, pixels
):
    scaler, classifier = StandardScaler(), LogisticRegression(max_iter=50)
    model = make_pipeline(pixels, scaler, classifier).fit(train_images[:1000], train_labels[:1000])
    result = attribute(model, test_images[:4], background, evaluations=200)
    per_grey_level = classifier.coef_ / (255 * scaler.scale_)
    distance = test_images[:4].reshape(4, -1) - background.reshape(len(background), -1).mean(axis=0)
    expected = (distance[:, None, :] * per_grey_level).transpose(0, 2, 1).reshape(4, 28, 28, 10)
    assert result.shap_values == pytest.approx(expected, abs=1e-3 * np.abs(expected).max())


def test_the_base_of_owen_values_is_the_mean_background(kernel_champion, test_images, background):
    result = attribute(kernel_champion, test_images[:2], background, evaluations=200)
    hidden = log_odds(kernel_champion.predict_proba(mean_image(background)[None]))[0]
    assert result.base_values == pytest.approx(hidden, abs=1e-6)


@pytest.mark.parametrize(
    ("reason", "steps"),
    [
        ("No fixed matrix", ["length_one", LogisticRegression()]),
        ("not linear", ["pixels", PCA(10), HistGradientBoostingClassifier(max_iter=2)]),
        ("not the softmax", ["pixels", SGDClassifier(loss="log_loss")]),
    ],
)
def test_a_type_that_only_seems_exact_is_explained_by_masking_with_a_reason(
    request, few_labelled, test_images, reason, steps
):
    first, *others = steps
    model = make_pipeline(request.getfixturevalue(first), *others)
    model.fit(*few_labelled)
    result = attribute(model, test_images[:2], few_labelled[0][:100], evaluations=100)
    assert result.explainer == "Owen values"
    assert reason in result.reason
    assert result.is_additive


def test_exact_values_that_do_not_add_up_are_not_used(
    linear_champion, test_images, background, monkeypatch
):
    exact = module._linear_values

    def wrong(*parts):
        values, base = exact(*parts)
        return 2 * values, base

    monkeypatch.setattr(module, "_linear_values", wrong)
    result = attribute(linear_champion, test_images[:2], background, evaluations=100)
    assert result.explainer == "Owen values"
    assert "did not add up" in result.reason
