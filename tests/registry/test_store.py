from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from fmnist_lib.common.credentials import without_credentials
from fmnist_lib.common.errors import TrackingError
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.store import StoreAddress, _message, client, prepare_store
from fmnist_lib.registry.store_check import check_store
from fmnist_lib.registry.versions import load_version
from tests.ports import free_port


@pytest.fixture
def root(fresh_database, tmp_path):
    return Path(shutil.copytree(fresh_database, tmp_path / "root"))


def test_the_configured_uri_comes_before_the_environment_and_that_before_the_file(tmp_path):
    configured = TrackingConfig(uri="http://configured:5000")
    assert StoreAddress(configured, tmp_path, "http://environment").uri == "http://configured:5000"
    assert (
        StoreAddress(TrackingConfig(), tmp_path, "http://environment").uri == "http://environment"
    )
    assert StoreAddress(TrackingConfig(), tmp_path).uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"


KILLED_WRITER = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
for number in range(1000):
    database.execute("INSERT INTO experiment_tags VALUES (?, ?, 0)", (f"k{number}", "x" * 1000))
os.kill(os.getpid(), 9)
"""


def test_a_database_whose_writer_was_killed_is_rolled_back_and_used(root):
    """Its changes are in the file, and what they replaced is in a journal."""
    address = StoreAddress(TrackingConfig(), root)
    prepare_store(address)
    database = root / "mlruns" / "mlflow.db"
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(database)], check=False)
    journal = database.with_name("mlflow.db-journal")
    assert journal.exists()
    check_store(address)
    assert not journal.exists()
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(database)], check=False)
    store = prepare_store(address)
    assert client(store.uri).get_experiment(store.experiment_id).tags == {}


def test_a_password_may_not_stand_in_the_configuration_file():
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI instead"):
        TrackingConfig(uri="postgresql://user:secret@host/db")


def test_a_new_store_is_one_whole_file_with_its_artifacts_beside_it(fresh_database, elsewhere):
    mlruns = fresh_database / "mlruns"
    store = prepare_store(StoreAddress(TrackingConfig(), fresh_database))
    experiment = client(store.uri).get_experiment(store.experiment_id)
    assert experiment.name == "fashion-mnist"
    assert experiment.artifact_location == (mlruns / "artifacts").as_uri()
    assert not list(mlruns.glob("*unfinished*"))
    assert not list(elsewhere.iterdir())


def test_preparing_again_finds_the_same_experiment_and_makes_a_new_one_for_a_new_name(root):
    first = prepare_store(StoreAddress(TrackingConfig(experiment="one"), root))
    assert prepare_store(StoreAddress(TrackingConfig(experiment="one"), root)) == first
    second = prepare_store(StoreAddress(TrackingConfig(experiment="two"), root))
    assert second.experiment_id != first.experiment_id


def test_a_deleted_experiment_is_named(root):
    store = prepare_store(StoreAddress(TrackingConfig(), root))
    client(store.uri).delete_experiment(store.experiment_id)
    with pytest.raises(TrackingError, match=r"'fashion-mnist'.*it is deleted. Restore it"):
        prepare_store(StoreAddress(TrackingConfig(), root))


def test_a_database_of_another_mlflow_is_refused_with_the_command_that_upgrades_it(root):
    with sqlite3.connect(root / "mlruns" / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(TrackingError, match="mlflow db upgrade sqlite:///"):
        prepare_store(StoreAddress(TrackingConfig(), root))


def test_a_server_that_is_not_there_is_reported_within_seconds(tmp_path):
    port = free_port()
    start = time.monotonic()
    address = f"http://me:secret@127.0.0.1:{port}"
    with pytest.raises(TrackingError, match=r"to answer.*Check that the server") as caught:
        prepare_store(StoreAddress(TrackingConfig(), tmp_path, address))
    assert time.monotonic() - start < 10
    assert "secret" not in str(caught.value)
    assert f"http://127.0.0.1:{port}" in str(caught.value)


def test_a_server_that_never_answers_times_out_within_seconds(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(TrackingError, match="expected it to answer"):
            prepare_store(
                StoreAddress(
                    TrackingConfig(uri=f"http://127.0.0.1:{silent.getsockname()[1]}"), tmp_path
                )
            )
        assert time.monotonic() - start < 12


def test_a_directory_that_cannot_be_written_is_a_tracking_error(tmp_path):
    (tmp_path / "mlruns").write_text("a file where the directory should be")
    with pytest.raises(TrackingError, match="Check that its directory can be written"):
        prepare_store(StoreAddress(TrackingConfig(), tmp_path))


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://user:p%40ss@host/db", "postgresql://host/db"),
        ("http://host:5000", "http://host:5000"),
        ("postgresql://user:pa/ss#w?rd@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=u&password=secret", "postgresql://host/db"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dsecret", "mssql+pyodbc:///"),
        ("sqlite+pysqlcipher://:secret@/mlflow.db", "sqlite+pysqlcipher:///mlflow.db"),
        ("user:secret@host:5000", "host:5000"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
    ],
)
def test_credentials_are_never_shown(uri, shown):
    assert without_credentials(uri) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:secret@127.0.0.1:9",
        "https://secret@127.0.0.1:9",
        "http://user:secret@host :80",
        "http://127.0.0.1:9/?token=secret",
        "postgresql+psycopg2://user:secret@127.0.0.1:9/db",
        "postgresql+psycopg2://127.0.0.1:9/db?password=secret&nonsense=1",
    ],
)
def test_a_password_is_in_no_message_and_in_no_traceback(uri, tmp_path):
    with pytest.raises(TrackingError) as refused:
        prepare_store(StoreAddress(TrackingConfig(), tmp_path, uri))
    assert "secret" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("name", ["feature%2Fx", "a b%20c'ü?#d"])
def test_a_checkout_of_any_name_keeps_its_runs(
    name, fresh_database, make_record, saved_model, test_images, tmp_path
):
    root = tmp_path / name
    shutil.copytree(fresh_database, root)
    store = prepare_store(StoreAddress(TrackingConfig(experiment="copy"), root))
    assert store.database == root / "mlruns" / "mlflow.db"
    tracked = log_training_run(store, make_record(), saved_model)
    champion = load_version(store.uri, "fashion-mnist", alias="champion").pipeline
    assert champion.predict(test_images[:5]).shape == (5,)
    assert client(store.uri).list_artifacts(tracked.run_id)
    # MLflow makes the directory of an address, undecoded.
    assert {path.name for path in tmp_path.iterdir()} == {name, "model", "mlflow"}


def test_a_new_database_is_made_in_a_checkout_of_any_name(tmp_path):
    root = tmp_path / "feature%2Fx"
    store = prepare_store(StoreAddress(TrackingConfig(), root))
    assert store.database.is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["feature%2Fx"]


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_text("no database" * 100)
    started = time.monotonic()
    with pytest.raises(TrackingError, match="file is not a database"):
        prepare_store(StoreAddress(TrackingConfig(), tmp_path))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("uri", ["postgresql+psycopg2://localhost:1/x", "mysql+nothing://h/x"])
def test_a_database_server_that_does_not_answer_is_refused_at_once(uri, tmp_path):
    started = time.monotonic()
    with pytest.raises(TrackingError):
        prepare_store(StoreAddress(TrackingConfig(uri=uri), tmp_path))
    assert time.monotonic() - started < 10


def test_a_password_far_in_a_long_message_is_masked_whole():
    uri = "postgresql://user:a-long-password@host/db"
    for length in range(150, 200, 7):
        message = _message(uri, ValueError(f"{'x' * length} {uri}"))
        assert "a-long" not in message
