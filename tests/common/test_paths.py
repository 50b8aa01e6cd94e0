from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.common.paths import (
    expand_home,
    resolve_address,
    resolve_path,
    sqlite_address,
    sqlite_file,
)

ODD_NAMES = [
    "a%2Fb",
    "a%20b",
    "a b",
    "ü",
    "q?x=1",
    "h#x",
    "a@b",
    "c:d",
    "%",
    "a+b",
    "~",
    "'\"",
    "&",
]


@pytest.mark.parametrize("name", ["plain", *ODD_NAMES])
def test_the_address_of_a_file_is_taken_apart_as_sqlalchemy_does(name, tmp_path):
    file = tmp_path / name / "mlflow.db"
    address = sqlite_address(file)
    assert sqlite_file(address) == file
    assert make_url(address).database == str(file)


def test_addresses_of_other_stores_name_no_file():
    for address in ("http://host/a.db", "postgresql://host/a.db", "sqlite://", "/a.db"):
        assert sqlite_file(address) is None
        assert resolve_address(address) == address
    assert sqlite_file("sqlite:////a%20b/c.db?timeout=1") == Path("/a b/c.db")


def test_a_plain_path_gives_the_documented_address():
    assert sqlite_address(Path("/a/mlflow.db")) == "sqlite:////a/mlflow.db"


def test_home_and_relative_paths_are_resolved(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert resolve_path("~/x.npy") == tmp_path / "home" / "x.npy"
    assert resolve_path("~", Path("/root")) == tmp_path / "home"
    assert resolve_path("x.npy") == tmp_path / "x.npy"
    assert resolve_path("x.npy", Path("/project")) == Path("/project/x.npy")
    assert resolve_path("/x.npy", Path("/project")) == Path("/x.npy")
    assert resolve_path("a~/~b", Path("/project")) == Path("/project/a~/~b")
    assert resolve_address("sqlite:///~/m.db") == f"sqlite:///{tmp_path}/home/m.db"
    assert resolve_address("sqlite:///m.db", Path("/p")) == "sqlite:////p/m.db"


def test_environment_variables_are_not_expanded():
    assert resolve_path("$HOME/x", Path("/p")) == Path("/p/$HOME/x")


def test_an_unknown_home_directory_is_one_message(monkeypatch):
    with pytest.raises(ConfigError, match="expected a user with a home directory in place of '~no"):
        resolve_path("~nobody-of-that-name/x")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(ConfigError, match="Write the whole path, or set HOME"):
        resolve_path("~/x")
    with pytest.raises(ConfigError, match="home directory"):
        expand_home("~/x")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Set up a home directory outside the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path / "work")
    return home


def test_settings_with_a_tilde_lie_in_the_home_directory(home, tmp_path):
    from fmnist_lib.common.errors import DataError
    from fmnist_lib.config.release import ReleaseConfig, TrackingConfig
    from fmnist_lib.config.training import DataConfig
    from fmnist_lib.data.verified_files import find_source
    from fmnist_lib.model_files.stored_model import ModelError
    from fmnist_lib.registry.store import StoreAddress
    from fmnist_lib.release.bundle import bundle_path
    from fmnist_lib.workflows.model_source import load

    assert bundle_path(ReleaseConfig(directory="~/b"), tmp_path, "x") == home / "b" / "x.zip"
    address = TrackingConfig(uri="sqlite:///~/m.db")
    assert sqlite_file(StoreAddress(address, tmp_path).uri) == home / "m.db"
    assert (
        sqlite_file(StoreAddress(TrackingConfig(), tmp_path, "sqlite:///~/e.db").uri)
        == home / "e.db"
    )
    with pytest.raises(DataError, match=f"^{home}/missing: expected a directory"):
        find_source(DataConfig(directory="~/missing"), tmp_path)
    (home / "model").mkdir()
    with pytest.raises(ModelError, match=str(home)):
        load("~/model")
