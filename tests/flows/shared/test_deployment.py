"""Decorators for steps on other machines, without a flow."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def deployment(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "flows"))
    from shared import deployment

    return deployment


class Step:
    """A step that notes its decorators."""

    def __init__(self):
        self.added = {}

    def add_decorator(self, decorator, deco_kwargs):
        self.added[decorator] = deco_kwargs


def decorated(deployment, monkeypatch, *words, **config):
    """Return the decorators of the steps `eda` and `publish`, of which the first is repeatable."""
    settings = {"remote": {"retries": 2, "resources": {}} | config}
    return decorated_by(settings, deployment, monkeypatch, *words)


def decorated_by(settings, deployment, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    steps = {"eda": Step(), "publish": Step()}
    mutator = deployment.remote_steps(repeatable=["eda"])
    mutator.external_init()
    mutator.pre_mutate(SimpleNamespace(configs=[("config", settings)], steps=steps.items()))
    return {name: step.added for name, step in steps.items()}


def test_a_local_run_never_retries(deployment, monkeypatch):
    assert decorated(deployment, monkeypatch, "run") == {"eda": {}, "publish": {}}


def test_only_repeatable_steps_retry_with_a_datastore_that_others_read(deployment, monkeypatch):
    found = decorated(deployment, monkeypatch, "--datastore", "s3", "run")
    assert found["eda"]["retry"]["times"] == 2
    assert found["publish"] == {}
    assert decorated(deployment, monkeypatch, "--datastore=s3", "run", retries=0)["eda"] == {}


def test_a_run_of_a_version_without_the_section_can_be_resumed(deployment, monkeypatch):
    found = decorated_by({"seed": 20}, deployment, monkeypatch, "--datastore=s3", "resume")
    assert found == {"eda": {}, "publish": {}}


def test_resources_are_requested_as_configured(deployment, monkeypatch):
    wanted = {"publish": {"cpu": None, "memory": 9000, "disk": None}}
    found = decorated(deployment, monkeypatch, "run", resources=wanted)
    assert found == {"eda": {}, "publish": {"resources": {"memory": 9000}}}


@pytest.mark.parametrize(
    ("words", "default", "shared"),
    [
        ("run", "local", False),
        ("run", "s3", True),
        ("--datastore local run", "s3", False),
        ("--datastore=azure step eda", "local", True),
    ],
)
def test_the_datastore_is_that_of_the_command_line(deployment, words, default, shared):
    assert deployment.has_shared_datastore(words.split(), default) is shared


def test_the_code_package_has_what_a_worker_and_its_bundle_need(deployment):
    names = {name for _, name, _ in deployment.package_checkout().add_to_package()}
    needed = (
        *("flows/train.py", "cards/templates/style.css", "fmnist_lib/drift/power.csv"),
        *("config/train.toml", "requirements/runtime.txt", "pyproject.toml"),
    )
    assert {f"checkout/{name}" for name in needed} <= names
    assert not [name for name in names if ".venv" in name or "/data/fashion" in name]


def test_a_pod_without_a_tracking_server_stops_before_it_trains(deployment, monkeypatch):
    from fmnist_lib.common.errors import ConfigError
    from fmnist_lib.config.release import TrackingConfig
    from shared import configuration

    assert deployment
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert configuration.store_address(TrackingConfig()).uri.startswith("sqlite")
    monkeypatch.setenv("METAFLOW_KUBERNETES_WORKLOAD", "1")
    with pytest.raises(ConfigError, match=r"tracking\.uri: expected .* got none"):
        configuration.store_address(TrackingConfig())
    server = "https://mlflow.example.org"
    assert configuration.store_address(TrackingConfig(uri=server)).uri == server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert configuration.store_address(TrackingConfig()).uri == server
