from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fmnist_lib.common.errors import DatastoreError, TrackingError
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.registry import runs
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.store import StoreAddress, client, prepare_store
from fmnist_lib.registry.versions import load_version

READ_BACK = """
import sys
import numpy as np
from fmnist_lib.registry.versions import load_version

champion = load_version(sys.argv[1], "fashion-mnist", alias="champion").pipeline
images = np.load(sys.argv[2])
np.save(sys.argv[3], champion.predict_proba(images))
"""

#: A consumer with MLflow and the model, but without this project.
PLAIN_MLFLOW = """
import sys
import mlflow
import numpy as np

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/fashion-mnist@champion")
images = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(images[:1])["class"].to_numpy())
import fmnist_lib
print(fmnist_lib.__file__)
"""

LOG_ONE = """
import pickle, sys
from pathlib import Path
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.registry import runs
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.store import StoreAddress, prepare_store

record, model = pickle.loads(Path(sys.argv[1]).read_bytes())
store = prepare_store(StoreAddress(TrackingConfig(), Path(sys.argv[2])))
print(log_training_run(store, record, model).model_version)
"""


def _start(code, *arguments, checkout=True, cwd=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MLFLOW"))}
    if checkout:
        environment["PYTHONPATH"] = str(PROJECT_ROOT)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _finish(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.strip()


def test_one_parent_holds_a_child_for_every_candidate(store, make_record, saved_model):
    record = make_record()
    tracked = log_training_run(store, record, saved_model)
    tracking = client(store.uri)
    parent = tracking.get_run(tracked.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["metaflow.pathspec"] == "FashionMnistTrain/1747/publish/9"
    assert parent.data.tags["data.origin"] == "official"
    assert parent.data.tags["mlflow.source.git.commit"] == "0123abc"
    assert parent.data.params["search.candidates.optuna-kernel.engine"] == "optuna"
    assert parent.data.metrics["test_accuracy"] == 0.84
    assert {d.dataset.name: d.dataset.digest for d in parent.inputs.dataset_inputs} == {
        "fashion-mnist-train": "a" * 36,
        "fashion-mnist-validation": "b" * 36,
        "fashion-mnist-test": "c" * 36,
    }

    query = f"tags.mlflow.parentRunId = '{tracked.run_id}'"
    children = tracking.search_runs([store.experiment_id], query)
    by_name = {child.info.run_name: child for child in children}
    assert set(by_name) == {"fast", "plain", "broken"}
    assert by_name["fast"].data.params["C"] == "0.1"
    assert by_name["fast"].data.metrics["validation_accuracy"] == 0.85
    assert by_name["fast"].info.end_time - by_name["fast"].info.start_time == 32_000
    assert by_name["broken"].info.status == "FAILED"
    assert by_name["broken"].data.tags["reason"] == "every trial failed: out of memory"
    assert "validation_accuracy" not in by_name["broken"].data.metrics


def test_the_trial_curve_counts_only_complete_trials_as_best(store, make_record, saved_model):
    tracked = log_training_run(store, make_record(), saved_model)
    tracking = client(store.uri)
    query = f"tags.mlflow.parentRunId = '{tracked.run_id}' and tags.candidate = 'fast'"
    child = tracking.search_runs([store.experiment_id], query)[0].info.run_id
    values = {m.step: m.value for m in tracking.get_metric_history(child, "trial_value")}
    best = {m.step: m.value for m in tracking.get_metric_history(child, "best_trial_value")}
    assert sorted(values) == [step for step in range(60) if step != 11]
    assert values[10] == 0.99
    assert best[10] == best[9] == 0.545
    assert best[59] == pytest.approx(0.795)


def test_figures_leaderboard_and_settings_are_files_of_the_parent(
    store, make_record, saved_model, tmp_path
):
    tracked = log_training_run(store, make_record(), saved_model)
    files = Path(client(store.uri).download_artifacts(tracked.run_id, "", str(tmp_path)))
    assert (files / "figures" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert "every trial failed" in (files / "leaderboard.csv").read_text()
    assert '"seed": 20' in (files / "settings.json").read_text()


def test_the_version_leads_to_the_metaflow_run_and_the_run_to_the_version(
    store, make_record, saved_model
):
    tracked = log_training_run(store, make_record(), saved_model)
    tracking = client(store.uri)
    version = tracking.get_model_version_by_alias("fashion-mnist", "champion")
    assert (str(version.version), version.run_id) == (tracked.model_version, tracked.run_id)
    assert version.tags["metaflow.run_id"] == "1747"
    assert tracking.get_run(tracked.run_id).data.tags["model.version"] == tracked.model_version
    model = tracking.search_logged_models([store.experiment_id])[0]
    assert model.source_run_id == tracked.run_id
    assert {metric.key for metric in model.metrics} >= {"test_accuracy", "test_macro_f1"}


def test_a_synthetic_model_never_gets_or_moves_the_champion_alias(store, make_record, saved_model):
    tracked = log_training_run(store, make_record("synthetic"), saved_model)
    assert tracked.alias == "synthetic"
    with pytest.raises(TrackingError, match="models:/fashion-mnist@champion: expected it"):
        load_version(store.uri, "fashion-mnist", alias="champion")
    real = log_training_run(store, make_record("custom", run_id="1748"), saved_model)
    log_training_run(store, make_record("synthetic", run_id="1749"), saved_model)
    version = client(store.uri).get_model_version_by_alias("fashion-mnist", "champion")
    assert (real.alias, str(version.version)) == ("champion", real.model_version)


@pytest.mark.parametrize(
    ("accuracy", "alias"), [(0.75, "challenger"), (0.838, "champion"), (0.9, "champion")]
)
def test_a_clearly_worse_model_does_not_take_the_alias(
    store, make_record, saved_model, accuracy, alias
):
    first = log_training_run(store, make_record(accuracy=0.84), saved_model)
    second = log_training_run(store, make_record(run_id="1748", accuracy=accuracy), saved_model)
    assert (first.alias, second.alias) == ("champion", alias)
    registry = client(store.uri)
    holder = registry.get_model_version_by_alias("fashion-mnist", "champion")
    expected = first if alias == "challenger" else second
    assert str(holder.version) == expected.model_version
    newest = registry.get_model_version_by_alias("fashion-mnist", "challenger")
    assert str(newest.version) == second.model_version


@pytest.fixture
def logged(store, make_record, saved_model):
    return log_training_run(store, make_record(), saved_model)


@pytest.mark.usefixtures("logged")
def test_a_fresh_process_predicts_bit_identically(store, champion, test_images, tmp_path):
    np.save(tmp_path / "images.npy", test_images[:300])
    with_project = _start(READ_BACK, store.uri, tmp_path / "images.npy", tmp_path / "project.npy")
    without = _start(
        PLAIN_MLFLOW,
        store.uri,
        tmp_path / "images.npy",
        tmp_path / "plain.npy",
        checkout=False,
        cwd=tmp_path,
    )
    _finish(with_project)
    pickled = pickle.loads(pickle.dumps(champion))
    expected = pickled.predict_proba(test_images[:300])
    np.testing.assert_array_equal(np.load(tmp_path / "project.npy"), expected)
    # One raw image, on a machine without the checkout: the code comes with the model.
    assert "code/fmnist_lib" in _finish(without)
    assert np.load(tmp_path / "plain.npy").tolist() == champion.predict(test_images[:1]).tolist()


def test_two_runs_on_a_fresh_store_at_the_same_time_both_succeed(
    make_record, saved_model, tmp_path
):
    processes = []
    for number in ("1", "2"):
        copy = shutil.copytree(saved_model.directory, tmp_path / f"model{number}")
        model = type(saved_model)(**(vars(saved_model) | {"directory": Path(copy)}))
        job = tmp_path / f"{number}.pickle"
        job.write_bytes(pickle.dumps((make_record(run_id=number), model)))
        processes.append(_start(LOG_ONE, job, tmp_path / "fresh"))
    assert sorted(_finish(process) for process in processes) == ["1", "2"]
    store = prepare_store(StoreAddress(TrackingConfig(), tmp_path / "fresh"))
    tracking = client(store.uri)
    parents = [
        run
        for run in tracking.search_runs([store.experiment_id])
        if "mlflow.parentRunId" not in run.data.tags
    ]
    assert {run.data.tags["metaflow.run_id"] for run in parents} == {"1", "2"}
    assert {run.info.status for run in parents} == {"FINISHED"}
    alias = tracking.get_model_version_by_alias("fashion-mnist", "champion")
    assert str(alias.version) in {"1", "2"}


def test_a_store_that_fails_half_way_leaves_a_failed_run_and_no_alias(
    store, make_record, saved_model
):
    experiment = client(store.uri).get_experiment(store.experiment_id)
    artifacts = Path(url2pathname(urlparse(experiment.artifact_location).path))
    artifacts.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_text("a file where the directory of the artifacts belongs")
    with pytest.raises(TrackingError, match="Not a directory"):
        log_training_run(store, make_record(), saved_model)
    tracking = client(store.uri)
    assert {
        run.info.status
        for run in tracking.search_runs([store.experiment_id])
        if "mlflow.parentRunId" not in run.data.tags
    } == {"FAILED"}
    assert not tracking.search_registered_models()


def test_a_failed_run_is_marked_without_waiting_for_a_server_that_hangs(
    store, make_record, saved_model, monkeypatch
):
    timeouts = []

    def fail(*_):
        monkeypatch.setattr(runs, "client", hang)
        raise OSError("the connection was lost")

    def hang(_):
        timeouts.append(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"])
        raise OSError("no answer")

    monkeypatch.setattr(runs, "_log_parent", fail)
    with pytest.raises(TrackingError, match="the connection was lost"):
        log_training_run(store, make_record(), saved_model)
    assert timeouts == ["5"]


def test_a_run_that_must_not_be_registered_leaves_a_failed_run_and_no_version(
    store, make_record, saved_model
):
    def refuse():
        raise DatastoreError("read-only")

    with pytest.raises(DatastoreError, match="read-only"):
        log_training_run(store, make_record(), saved_model, before_alias=refuse)
    tracking = client(store.uri)
    assert tracking.search_registered_models() == []
    statuses = [run.info.status for run in tracking.search_runs([store.experiment_id])]
    assert sorted(statuses) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]


def test_a_version_that_was_created_before_an_error_is_not_created_again(
    store, make_record, saved_model, monkeypatch
):
    create = MlflowClient.create_model_version
    errors = [MlflowException("database is locked")]

    def fail_afterwards(self, *args, **details):
        version = create(self, *args, **details)
        if details.get("run_id") and errors:
            raise errors.pop()
        return version

    monkeypatch.setattr(MlflowClient, "create_model_version", fail_afterwards)
    tracked = log_training_run(store, make_record(), saved_model)
    assert not errors
    assert tracked.model_version == "1"
    assert len(client(store.uri).search_model_versions("name = 'fashion-mnist'")) == 1


def test_mlflows_global_state_stays_as_it_was(
    store, make_record, saved_model, tmp_path, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = os.environ.get("MLFLOW_TRACKING_URI")
    log_training_run(store, make_record(), saved_model)
    load_version(store.uri, "fashion-mnist", alias="champion")
    assert os.environ.get("MLFLOW_TRACKING_URI") == before
    # With its global client, MLflow would make a database in the working directory.
    assert not list(Path.cwd().iterdir())
