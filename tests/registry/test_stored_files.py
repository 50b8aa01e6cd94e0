"""Files of runs in MLflow, and which of them the registry needs."""

from __future__ import annotations

import pytest

from fmnist_lib.common.deletion import Deletion
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.store import StoreAddress, client
from fmnist_lib.registry.stored_files import delete_stored_files, read_stored_files
from fmnist_lib.registry.versions import load_version

REGISTERED, UNREGISTERED = "FashionMnistTrain/1", "FashionMnistTrain/2"


def all_files(root):
    artifacts = root / "mlruns" / "artifacts"
    return {path: path.stat().st_size for path in artifacts.rglob("*") if path.is_file()}


@pytest.fixture
def address(store, make_record, saved_model, tmp_path):
    """A store with two runs; the version of the second was deleted by its user."""
    for run_id in ("1", "2"):
        log_training_run(store, make_record(run_id=run_id), saved_model)
    client(store.uri).delete_model_version("fashion-mnist", "2")
    return StoreAddress(TrackingConfig(), tmp_path / "root")


def test_an_unregistered_run_is_deleted_in_two_attempts_and_the_registered_model_loads(
    address, store, test_images, monkeypatch
):
    before, stored = all_files(address.root), read_stored_files(address)
    assert stored.registered == {REGISTERED}
    # The files of a registered version are left out, even if its run is asked for.
    offered = [deletion.path for deletion in stored.deletions(REGISTERED)]
    assert not any("models" in path.parts for path in offered)
    size = sum(deletion.size for deletion in stored.deletions(UNREGISTERED))
    assert size > 0

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Deletion, "apply", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_stored_files(address, stored, UNREGISTERED)
    again = read_stored_files(address)
    assert (again.runs, again.models) == (stored.runs, stored.models)

    freed = delete_stored_files(address, again, UNREGISTERED)
    assert freed == size == sum(before.values()) - sum(all_files(address.root).values())
    assert delete_stored_files(address, read_stored_files(address), UNREGISTERED) == 0
    runs = [client(store.uri).get_run(run) for run in stored.runs[UNREGISTERED]]
    assert {run.info.lifecycle_stage for run in runs} == {"deleted"}
    kept = load_version(store.uri, "fashion-mnist", number="1").pipeline
    assert kept.predict(test_images[:3]).shape == (3,)


def test_without_a_database_nothing_is_stored(tmp_path):
    address = StoreAddress(TrackingConfig(), tmp_path)
    assert read_stored_files(address).runs == {}
    assert not (tmp_path / "mlruns").exists()
