"""Checks fail before anything is computed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_lib.common.credentials import without_credentials
from fmnist_lib.common.errors import ConfigError, TrackingError
from fmnist_lib.config.loading import parse_settings
from fmnist_lib.config.monitor import MonitorSettings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.registry.store import StoreAddress, mlflow_calls
from fmnist_lib.workflows.preflight import check_before_start, check_exists

ROOT = Path(__file__).resolve().parents[2]
TRAIN = DEFAULT_CONFIG.read_text()


def check(root, environment_uri=None, text="", model=None):
    settings = parse_settings(text, "c.toml", model) if model else parse_settings(TRAIN + text, "c")
    check_before_start(settings, root, environment_uri)


def monitor(root, text):
    check(root, None, f'retrain.config = "{DEFAULT_CONFIG}"\n{text}', MonitorSettings)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("file:///data/mlruns", "no longer keeps runs in a directory"),
        ("./mlruns", "no longer keeps runs in a directory"),
        ("mlflow.db", "no longer keeps runs in a directory"),
        ("C:\\mlruns", "no longer keeps runs in a directory"),
        ("databricks", "does not support it"),
        ("uc:http://host", "does not support it"),
        ("ftp://host/x", "does not support it"),
        ("postgres://user:secret@host/db", "got 'postgres://host/db'"),
        ("localhost:5000", "Write http://localhost:5000"),
        ("http://", "names no host"),
        ("http://user:secret@[::1", "Invalid IPv6"),
        ("http://host ", "blank"),
        ("sqlite://", "Write sqlite:////path"),
        ("sqlite:mlflow.db", "Write sqlite:////path"),
        ("sqlite:///:memory:", "kept in memory"),
        ("mysql+nothing://host/db", "Install the driver"),
    ],
)
def test_an_unsupported_address_is_refused_with_a_fix(uri, problem, tmp_path):
    with pytest.raises(ConfigError, match=r"^MLFLOW_TRACKING_URI: expected the address") as refused:
        check(tmp_path, uri)
    assert problem in str(refused.value)
    assert "secret" not in str(refused.value)
    # The other commands give the same message.
    with pytest.raises(TrackingError) as refused, mlflow_calls(uri):
        pass
    assert problem.removeprefix("got '").rstrip("'") in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "uri",
    [None, "", "http://away:5000", "HTTPS://u:p@host/path", "postgresql+psycopg2://away/db"],
)
def test_an_unreachable_server_is_accepted(uri, tmp_path):
    check(tmp_path, uri)
    assert not list(tmp_path.iterdir())


def test_the_key_is_named_where_the_configuration_is_wrong(tmp_path):
    with pytest.raises(ConfigError, match=r"^tracking\.uri: .*no longer keeps"):
        check(tmp_path, "http://good", '\n[tracking]\nuri = "file:///x"\n')


def test_a_file_store_that_the_user_forces_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check(tmp_path, "file:///data/mlruns")


@pytest.mark.parametrize("name", ["a/b", "a:b", "a@b", "it's", 'a"b', ".", "..", "  "])
def test_a_name_that_mlflow_cannot_register_is_refused(name):
    with pytest.raises(ConfigError, match=r"tracking\.model_name: expected a name"):
        parse_settings(f"{TRAIN}\n[tracking]\nmodel_name = '''{name}'''\n", "c.toml")


def database(root, revision):
    (root / "mlruns").mkdir()
    file = root / "mlruns" / "mlflow.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    return file


def test_a_locked_database_is_no_obstacle_at_the_start(tmp_path):
    with contextlib.closing(sqlite3.connect(database(tmp_path, "451aebb31d03"))) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        check(tmp_path)


@pytest.mark.parametrize(
    ("revision", "problem"),
    [("0123456789ab", "newer MLflow. Install"), ("451aebb31d03", "mlflow db upgrade")],
)
def test_a_database_of_another_mlflow_is_refused_and_stays(revision, problem, tmp_path):
    file = database(tmp_path, revision)
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=problem):
        check(tmp_path)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db"]


def test_the_database_that_mlflow_made_is_taken(tmp_path):
    from fmnist_lib.config.release import TrackingConfig
    from fmnist_lib.registry.store import prepare_store

    prepare_store(StoreAddress(TrackingConfig(), tmp_path))
    check(tmp_path)
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"")
    check(tmp_path)


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "mlruns").write_text("a file")
    with pytest.raises(ConfigError, match="mlruns is a file"):
        check(tmp_path)
    (tmp_path / "x.db").write_text("no database" * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        check(tmp_path, f"sqlite:///{tmp_path}/x.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="it is a directory"):
        check(tmp_path, f"sqlite:///{tmp_path}/folder")


@pytest.mark.parametrize(
    ("table", "key"),
    [("release", "directory"), ("tracking", "spool"), ("search", "cache")],
)
def test_a_directory_that_is_a_file_is_refused(table, key, tmp_path):
    (tmp_path / "taken").write_text("")
    old = f"[{table}]\n"
    text = TRAIN.replace(old, f'{old}{key} = "taken/x"\n') if old in TRAIN else TRAIN
    if old not in TRAIN:
        text += f'\n{old}{key} = "taken/x"\n'
    with pytest.raises(ConfigError, match=rf"^{table}\.{key}: expected a directory"):
        check_before_start(parse_settings(text, "c.toml"), tmp_path, None)


def test_a_directory_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    with pytest.raises(ConfigError, match="can't be written"):
        check(tmp_path)
    with pytest.raises(ConfigError, match=r"^tracking\.spool: .* read-only"):
        check(tmp_path, "http://away")


def test_the_monitors_signal_and_retraining_are_checked(tmp_path):
    monitor(tmp_path, "")
    (tmp_path / "signals").mkdir()
    with pytest.raises(ConfigError, match=r"^signal: expected a file, got the directory"):
        monitor(tmp_path, 'signal = "signals"')
    for content, problem in ((None, "readable TOML"), ("seed = -1", "expected greater than")):
        config = tmp_path / "train.toml"
        if content:
            config.write_text(content)
        with pytest.raises(ConfigError, match=rf"^retrain\.config: .*{problem}"):
            check(tmp_path, None, f'retrain.config = "{config}"', MonitorSettings)


def test_a_missing_path_is_refused(tmp_path):
    check_exists("batch", None)
    check_exists("batch", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"^batch: expected a file or directory, found nothing at"
    ):
        check_exists("batch", str(tmp_path / "none.npy"))


@pytest.mark.parametrize(
    ("flow", "environment", "message"),
    [
        ("train.py", {"MLFLOW_TRACKING_URI": "file:///data/mlruns"}, "MLFLOW_TRACKING_URI: expect"),
        ("monitor.py", {"MLFLOW_TRACKING_URI": "./mlruns"}, "MLFLOW_TRACKING_URI: expected"),
    ],
)
def test_a_run_ends_before_its_first_step(flow, environment, message, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "flows" / flow), "run"],
        cwd=tmp_path,
        env=os.environ | environment | {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path / "m")},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert message in output
    assert "Traceback" not in output
    assert "Workflow starting" not in output
    assert not list(tmp_path.iterdir())


def test_credentials_of_a_broken_address_are_not_shown():
    assert without_credentials("http://user:secret@[::1") == "http://[::1"
