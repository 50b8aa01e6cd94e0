from __future__ import annotations

import dataclasses

import numpy as np

from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.data.changes import RowIndex
from fmnist_lib.data.dataset import Dataset, Split
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.store import StoreAddress, client
from fmnist_lib.workflows.data_changes import ROWS, changes_since_champion


def test_a_run_says_what_changed_since_the_champion(
    store, make_record, saved_model, train_images, train_labels, tmp_path
):
    parts = [slice(0, 100), slice(100, 150), slice(150, 200)]
    dataset = Dataset(*(Split(train_images[rows], train_labels[rows]) for rows in parts))
    config = TrackingConfig(experiment="copy")
    record = make_record()
    version = dataclasses.replace(record.data_version, dvc="0a1b.dir")
    record = dataclasses.replace(
        record,
        data_version=version,
        files={ROWS: RowIndex.of(dataset.splits.values()).to_bytes()},
    )
    assert (
        changes_since_champion(dataset, version, StoreAddress(config, tmp_path / "no store"))
        is None
    )
    tracked = log_training_run(store, record, saved_model)
    assert (
        changes_since_champion(dataset, version, StoreAddress(config, tmp_path, store.uri)) is None
    )

    labels = (dataset.train.labels + 1) % 10
    changed = dataclasses.replace(dataset, train=Split(dataset.train.images[:90], labels[:90]))
    new = dataclasses.replace(version, fingerprint="e" * 64, dvc="9f8e.dir")
    changes = changes_since_champion(changed, new, StoreAddress(config, tmp_path, store.uri))
    assert changes.champion == "models:/fashion-mnist/1"
    assert (changes.added, changes.removed, changes.relabelled, changes.kept) == (0, 10, 90, 100)
    assert sum(changes.after) == 190
    assert np.array(changes.before).sum() == 200

    second = make_record(run_id="1748")
    later = log_training_run(store, dataclasses.replace(second, data_version=new), saved_model)
    tags = [
        client(store.uri).get_model_version("fashion-mnist", number).tags["data.dvc"]
        for number in (tracked.model_version, later.model_version)
    ]
    assert tags == ["0a1b.dir", "9f8e.dir"]


def test_a_store_that_is_unavailable_costs_only_the_comparison(make_record, tmp_path, caplog):
    version = make_record().data_version
    dataset = Dataset(*[Split(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.uint8))] * 3)
    config = TrackingConfig(uri="http://127.0.0.1:9")
    assert changes_since_champion(dataset, version, StoreAddress(config, tmp_path)) is None
    assert "not compared with the champion's" in caplog.text


def test_a_damaged_record_of_the_champions_data_costs_only_the_comparison(
    store, make_record, saved_model, caplog, tmp_path
):
    dataset = Dataset(*[Split(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.uint8))] * 3)
    whole = RowIndex.of(dataset.splits.values()).to_bytes()
    new = dataclasses.replace(make_record().data_version, fingerprint="e" * 64)
    for number, content in enumerate((b"", whole[:40], b"PK garbage")):
        record = dataclasses.replace(make_record(run_id=str(number)), files={ROWS: content})
        log_training_run(store, record, saved_model)
        config = TrackingConfig(experiment="copy")
        assert (
            changes_since_champion(dataset, new, StoreAddress(config, tmp_path, store.uri)) is None
        )
    assert caplog.text.count("not compared with the champion's") == 3
