from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
import yaml
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from fmnist_lib.errors import TrackingError
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.tracking import model
from fmnist_lib.tracking.model import load_model, save_model


class Local(ClassifierMixin, BaseEstimator):
    """A type that no trusted package holds."""

    def fit(self, X, y):  # noqa: ARG002
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=np.uint8)


@pytest.mark.parametrize(
    "classifier",
    [
        ExtraTreesClassifier(5, random_state=0),
        HistGradientBoostingClassifier(max_iter=2, random_state=0),
        MLPClassifier((8,), max_iter=1, random_state=0),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_families_of_the_search_are_kept_without_pickle(
    classifier, train_images, train_labels, tmp_path
):
    champion = make_pipeline(Pixels(), PCA(10), classifier)
    champion.fit(train_images[:500], train_labels[:500])
    saved = save_model(champion, train_images[:16], tmp_path / "model")
    assert (saved.format, saved.fallback_reason) == ("skops", None)
    assert "fmnist_lib.features.pixels.Pixels" in saved.trusted_types
    copy = load_model(saved.directory)
    images = train_images[500:700]
    pickled = pickle.loads(pickle.dumps(champion))
    np.testing.assert_array_equal(copy.predict_proba(images), pickled.predict_proba(images))


def test_a_type_outside_the_trusted_packages_falls_back_and_says_which(train_images, tmp_path):
    champion = make_pipeline(Local()).fit(train_images[:5], np.arange(5))
    saved = save_model(champion, train_images[:4], tmp_path / "model")
    assert saved.format == "cloudpickle"
    assert "Local" in saved.fallback_reason
    assert saved.trusted_types == ()
    assert saved.file.stat().st_size == saved.size_bytes


def test_a_copy_that_predicts_something_else_is_not_used(
    champion, train_images, tmp_path, monkeypatch
):
    constant = Local().fit(train_images[:5], np.arange(5))
    constant.predict_proba = lambda images: np.full((len(images), 10), 0.1)
    monkeypatch.setattr(model, "load_model", lambda _: constant)
    saved = save_model(champion, train_images[:4], tmp_path / "model")
    assert saved.format == "cloudpickle"
    assert saved.fallback_reason == "predict_proba of the skops copy differs on 4 of 4 images"


def test_a_very_large_pipeline_is_pickled(champion, train_images, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "MAX_SKOPS_BYTES", 1000)
    saved = save_model(champion, train_images[:4], tmp_path / "model")
    assert saved.format == "cloudpickle"
    assert saved.fallback_reason.endswith("MB, skops is only used up to 0")
    copy = load_model(saved.directory)
    np.testing.assert_array_equal(copy.predict(train_images), champion.predict(train_images))


def test_a_pipeline_that_cannot_be_written_is_a_tracking_error(train_images, tmp_path):
    champion = Local().fit(train_images[:5], np.arange(5))
    champion.lock = threading.Lock()
    with pytest.raises(TrackingError, match=r"cloudpickle can write, got: .*cannot pickle"):
        save_model(champion, train_images[:4], tmp_path / "model")


def test_the_description_on_disk_names_uint8_images_the_code_and_every_version(saved_model):
    description = yaml.safe_load((saved_model.directory / "MLmodel").read_text())
    assert '"dtype": "uint8", "shape": [-1, 28, 28]' in description["signature"]["inputs"]
    assert description["saved_input_example_info"]["type"] == "ndarray"
    assert (saved_model.directory / "code" / "fmnist_lib" / "features" / "pixels.py").is_file()
    pins = (saved_model.directory / "requirements.txt").read_text().split()
    assert {pin.partition("==")[0] for pin in pins} >= {"mlflow", "scikit-learn", "skops"}
    assert all("==" in pin for pin in pins)
