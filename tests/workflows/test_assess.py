from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.run_report import RunIdentity
from fmnist_lib.config.monitor import MonitorSettings
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.data.formats.batch import LabelledImages
from fmnist_lib.drift.batch import Batch
from fmnist_lib.monitor.challenge import Champion
from fmnist_lib.monitor.signal import write_signal
from fmnist_lib.registry.champion import find_champion_version
from fmnist_lib.registry.store import StoreAddress, client
from fmnist_lib.workflows.assess import assess, build_signal, observe, track

IDENTITY = RunIdentity("FashionMnistMonitor", "7", "FashionMnistMonitor/7/assess/1", "tester")


class Nearest:
    """Nearest-centroid model of the mean image per class."""

    def __init__(self, images, labels):
        pixels = images.reshape(len(images), -1) / 255
        self.centres = np.stack([pixels[labels == one].mean(axis=0) for one in range(10)])

    def predict_proba(self, images):
        pixels = images.reshape(len(images), -1) / 255
        distance = ((pixels[:, None] - self.centres) ** 2).sum(axis=2)
        shares = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 8)
        return shares / shares.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def champion(train_images, train_labels):
    return Nearest(train_images[:3000], train_labels[:3000])


@pytest.fixture(scope="module")
def reference(champion, test_images, test_labels):
    images = test_images[:1400]
    return Batch(images, champion.predict_proba(images), test_labels[:1400])


@pytest.fixture(scope="module")
def unshifted(test_images):
    return LabelledImages(test_images[1400:], None, 600)


@pytest.fixture(scope="module")
def dark(test_images, test_labels):
    return LabelledImages(test_images[1400:] // 8, test_labels[1400:], 6000)


@pytest.fixture(scope="module")
def dark_signal(champion, reference, dark):
    return to_signal(assess(champion, reference, dark, MonitorSettings()), dark)


def to_signal(assessment, new):
    return build_signal(
        assessment,
        new,
        Champion("FashionMnistTrain/1", None, "named"),
        batch="b.npz",
        monitor_run="FashionMnistMonitor/7",
    )


def test_scoring_in_chunks_changes_nothing(champion, train_images):
    images = LabelledImages(train_images[:2500], None, 2500)
    expected = champion.predict_proba(train_images[:2500])
    np.testing.assert_array_equal(observe(champion, images).probabilities, expected)


def test_a_batch_without_drift_is_ok(champion, reference, unshifted):
    signal = to_signal(assess(champion, reference, unshifted, MonitorSettings()), unshifted)
    assert signal.verdict == "ok"
    assert signal.realised_accuracy is None
    assert signal.estimated_accuracy.low < signal.reference_accuracy.value
    assert signal.estimate_reliable


def test_a_dark_batch_with_labels_calls_for_retraining(dark_signal, tmp_path):
    assert dark_signal.verdict == "retrain"
    assert dark_signal.realised_accuracy.high < dark_signal.reference_accuracy.low
    assert (dark_signal.images, dark_signal.images_in_batch) == (600, 6000)
    write_signal(tmp_path / "s.json", dark_signal)
    assert json.loads((tmp_path / "s.json").read_text())["retrain"] is True


def test_few_images_are_insufficient_and_one_is_refused(champion, reference, test_images):
    few = LabelledImages(test_images[:20], None, 20)
    signal = to_signal(assess(champion, reference, few, MonitorSettings()), few)
    assert signal.verdict == "insufficient_data"
    assert signal.p_value is None
    one = LabelledImages(test_images[:1], None, 1)
    with pytest.raises(DataError, match="at least 2 images"):
        assess(champion, reference, one, MonitorSettings())


def test_a_signal_is_a_run_of_its_own_in_mlflow(dark_signal, tmp_path):
    run_id = track(dark_signal, IDENTITY, StoreAddress(TrackingConfig(), tmp_path, None))
    run = client(f"sqlite:///{tmp_path}/mlruns/mlflow.db").get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["verdict"] == "retrain"
    assert run.data.tags["metaflow.run_id"] == "7"
    assert run.data.metrics["retrain"] == 1
    assert run.data.metrics["realised_accuracy"] == dark_signal.realised_accuracy.value
    assert find_champion_version(StoreAddress(TrackingConfig(), tmp_path, None)) is None


def test_a_resumed_monitor_completes_the_mlflow_run_of_the_killed_one(dark_signal, tmp_path):
    address = StoreAddress(TrackingConfig(), tmp_path, None)
    killed = track(dark_signal, IDENTITY, address)
    resumed = replace(IDENTITY, run_id="8", computed_in=IDENTITY.key)
    assert track(dark_signal, resumed, address) == killed
    tags = client(f"sqlite:///{tmp_path}/mlruns/mlflow.db").get_run(killed).data.tags
    assert tags["metaflow.run_id"] == "8"
    assert track(dark_signal, replace(IDENTITY, run_id="9"), address) != killed


def test_an_mlflow_error_is_a_warning(dark_signal, tmp_path, caplog):
    uri = "http://127.0.0.1:9"
    assert track(dark_signal, IDENTITY, StoreAddress(TrackingConfig(), tmp_path, uri)) is None
    assert "The verdict is not in MLflow" in caplog.text


def test_looking_for_a_champion_creates_no_store(tmp_path):
    assert find_champion_version(StoreAddress(TrackingConfig(), tmp_path, None)) is None
    assert not list(tmp_path.iterdir())
