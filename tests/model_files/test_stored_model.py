from __future__ import annotations

import json
import os
import shutil
import threading

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.errors import DataError, ModelError
from fmnist_lib.model_files import stored_model
from fmnist_lib.model_files.predictor import predictions
from fmnist_lib.model_files.stored_model import load_model, save_model


class Local(ClassifierMixin, BaseEstimator):
    """A type that is not in our list."""

    def fit(self, X, y):  # noqa: ARG002
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 10), 0.1)


class Hostile:
    """Creates a file when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved.directory, tmp_path / "model")


def test_a_saved_model_predicts_bit_for_bit(saved, champion, test_images):
    assert (saved.format, saved.fallback_reason, saved.file.name) == ("skops", None, "model.skops")
    model = load_model(saved.directory, sha256=saved.sha256)
    expected = champion.predict_proba(test_images)
    np.testing.assert_array_equal(model.pipeline.predict_proba(test_images), expected)
    flat = test_images.reshape(-1, 784)
    np.testing.assert_array_equal(model.pipeline.predict_proba(flat), expected)


def test_the_same_model_gives_the_same_bytes(saved, champion, reference, test_images, tmp_path):
    save_model(champion, test_images[:5], tmp_path / "again", reference)
    for file in saved.directory.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["model.skops", "reference.npz"])
def test_any_changed_byte_is_found_and_named(copy, name, rng):
    content = (copy / name).read_bytes()
    for position in rng.integers(0, len(content), 25):
        changed = bytearray(content)
        changed[position] ^= 1 << int(rng.integers(8))
        (copy / name).write_bytes(changed)
        with pytest.raises(ModelError, match=f"{name}: expected the file that model.json"):
            load_model(copy)


def test_missing_swapped_and_oversized_files_are_named(copy, saved):
    with pytest.raises(ModelError, match=r"model\.skops: expected at most 0\.001 MB"):
        load_model(copy, max_mb=0.001)
    with pytest.raises(ModelError, match=r"model\.skops: expected the registered model"):
        load_model(copy, sha256="0" * 64)
    (copy / "model.skops").unlink()
    with pytest.raises(ModelError, match=r"model\.skops: expected it beside model\.json"):
        load_model(copy)
    with pytest.raises(ModelError, match="expected a model directory"):
        load_model(copy / "elsewhere")
    assert load_model(saved.directory)


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", "{}", '{"format": "pickle", "files": {}}', '{"format": "skops", "files": {}}'],
)
def test_an_invalid_manifest_is_named(copy, manifest):
    (copy / "model.json").write_text(manifest)
    with pytest.raises(ModelError, match=r"model\.json: expected"):
        load_model(copy)


def test_a_manifest_cannot_name_files_elsewhere(copy):
    manifest = json.loads((copy / "model.json").read_text())
    manifest["files"]["../../secret"] = {"bytes": 1, "sha256": ""}
    (copy / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="secret"):
        load_model(copy)


def test_a_pickle_in_place_of_the_model_is_never_run(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import pickle

    (copy / "model.skops").unlink()
    (copy / "model.pkl").write_bytes(pickle.dumps(Hostile()))
    stored_model._write_manifest(copy, "cloudpickle", "because")
    with pytest.raises(ModelError, match=r"can run any code when loaded \(why: because\)"):
        load_model(copy)
    assert not (tmp_path / "ran").exists()


def test_an_untrusted_type_is_refused_unless_cloudpickle_is_allowed(train_images, tmp_path):
    pipeline = make_pipeline(Local()).fit(train_images[:5], np.arange(5))
    with pytest.raises(ModelError, match=r"outside our list: .*Local.*allow_cloudpickle = true"):
        save_model(pipeline, train_images[:4], tmp_path / "model")


def test_with_cloudpickle_allowed_the_reason_is_stored(
    champion, train_images, tmp_path, monkeypatch
):
    monkeypatch.setattr(stored_model, "write_skops", lambda *_: ("a.Foreign",))
    saved = save_model(champion, train_images[:4], tmp_path / "model", allow_cloudpickle=True)
    assert saved.format == "cloudpickle"
    assert saved.fallback_reason == "it holds types outside our list: a.Foreign"
    with pytest.raises(ModelError, match=r"why: it holds types outside our list: a\.Foreign"):
        load_model(tmp_path / "model")
    copy = load_model(tmp_path / "model", allow_cloudpickle=True).pipeline
    np.testing.assert_array_equal(
        copy.predict_proba(train_images), champion.predict_proba(train_images)
    )


def test_a_copy_with_other_predictions_is_not_kept(
    champion, train_images, train_labels, tmp_path, monkeypatch
):
    other = clone(champion).fit(train_images[2000:2500], train_labels[2000:2500])
    write = stored_model.write_skops
    monkeypatch.setattr(stored_model, "write_skops", lambda _, path: write(other, path))
    with pytest.raises(ModelError, match="differ on 4 of 4 images"):
        save_model(champion, train_images[:4], tmp_path / "model")


def test_a_pipeline_that_cannot_be_pickled_is_a_model_error(train_images, tmp_path):
    pipeline = Local().fit(train_images[:5], np.arange(5))
    pipeline.lock = threading.Lock()
    with pytest.raises(ModelError, match=r"cloudpickle can write, got: .*cannot pickle"):
        save_model(pipeline, train_images[:4], tmp_path / "model", allow_cloudpickle=True)


def test_a_model_larger_than_the_limit_is_not_written(
    champion, train_images, tmp_path, monkeypatch
):
    monkeypatch.setattr(stored_model, "MAX_MB", 0.01)
    with pytest.raises(ModelError, match=r"^model\.skops: expected at most 0\.01 MB") as caught:
        save_model(champion, train_images[:4], tmp_path / "model", allow_cloudpickle=True)
    assert str(caught.value).endswith("search prefers smaller models.")


def test_the_table_names_class_probability_and_confidence(saved, champion, test_images):
    table = predictions(load_model(saved.directory), test_images)
    probabilities = champion.predict_proba(test_images)
    np.testing.assert_array_equal(table["class"], probabilities.argmax(axis=1))
    np.testing.assert_array_equal(table["probability"], probabilities.max(axis=1))
    assert table["label"].iloc[0] == "Ankle boot"
    assert table["confidence"].between(0, 1).all()
    with pytest.raises(DataError):
        predictions(load_model(saved.directory), test_images[:, :20])
