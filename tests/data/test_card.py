from __future__ import annotations

import pytest

from cards.data import data_card
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.config.training import AuditConfig, DataConfig
from fmnist_lib.data.audit import audit
from fmnist_lib.data.dataset import load_dataset
from tests.card_reader import Card


@pytest.fixture
def loaded(custom_dir, project):
    return load_dataset(DataConfig(directory=str(custom_dir)), project, seed=0)


def _text(components):
    return Card(components).text


def test_the_card_names_the_data_and_warns(loaded, custom_dir):
    dataset, version = loaded
    text = _text(data_card(version, audit(dataset, AuditConfig())))
    assert "**not the official Fashion-MNIST**" in text
    assert str(custom_dir) in text
    assert version.fingerprint in text
    assert all(checksum in text for checksum in version.files.values())
    assert "covers all pairs" in text


def test_the_card_reports_duplicates_leakage_and_constant_images(loaded):
    dataset, version = loaded
    dataset.test.images[0] = dataset.train.images[0]
    dataset.test.labels[0] = (dataset.train.labels[0] + 1) % 10
    dataset.train.images[5] = 0
    text = _text(data_card(version, audit(dataset, AuditConfig())))
    assert "Exact duplicates of test images in training and validation: **1** of 200" in text
    assert "1 of them with conflicting labels" in text
    assert "Constant images: **1**, of which 1 are all zero" in text
    assert "1 of 200 test images (0.50 %)" in text


def test_generated_data_show_no_file_table(loaded):
    dataset, version = loaded
    generated = DataVersion("synthetic", "generated", version.fingerprint, version.splits)
    text = _text(data_card(generated, audit(dataset, AuditConfig())))
    assert "**SYNTHETIC images, not Fashion-MNIST**" in text
    assert "SHA-256 of the files" not in text


def test_an_incomplete_search_is_reported_as_lower_bounds(loaded, monkeypatch):
    dataset, version = loaded
    monkeypatch.setattr("fmnist_lib.data.duplicates.MAX_COMPARISONS", 500)
    report = audit(dataset, AuditConfig(near_duplicate_distance=200))
    text = _text(data_card(version, report))
    assert "lower bounds" in text
    assert "covers all pairs" not in text


def test_every_image_with_a_copy_counts_once(loaded):
    dataset, _ = loaded
    dataset.test.images[:2] = dataset.train.images[0]
    assert audit(dataset, AuditConfig()).n_identical == 3


def test_corrected_labels_do_not_make_the_files_differ(loaded):
    dataset, _ = loaded
    official = DataVersion("official", "somewhere", "ab" * 32, {}, corrected=5, files={"a": "b"})
    assert "all match the published ones" in _text(
        data_card(official, audit(dataset, AuditConfig()))
    )
