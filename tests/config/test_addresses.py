from __future__ import annotations

import json

import pytest

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.config.loading import override, read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG

SECRET = "hunter2"  # noqa: S105 (of nobody)


def configured(**search):
    settings = read_settings(DEFAULT_CONFIG)
    content = json.loads(settings.model_dump_json())
    content["search"] |= search
    return type(settings).model_validate(content)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://studies@db.example.org/optuna",
        "postgresql+psycopg2://db.example.org:5433/optuna?sslmode=require",
        "postgresql+psycopg2:///optuna?host=/run/postgresql",
        "grpc://proxy.example.org:13000",
    ],
)
def test_addresses_of_databases_and_proxies_are_accepted(address):
    assert override(read_settings(DEFAULT_CONFIG), study_storage=address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"postgresql://studies:{SECRET}@db.example.org/optuna", "without a password"),
        (f"postgresql://db.example.org/optuna?password={SECRET}", "without a password"),
        (f"postgresql://studies:{SECRET}/x@db.example.org/optuna", "postgresql+psycopg2://USER"),
        (f"postgresql://studies:[{SECRET}@db.example.org/optuna", "postgresql+psycopg2://USER"),
        ("sqlite:////tmp/optuna.db", "grpc://HOST:PORT"),
        ("grpc://proxy.example.org", "grpc://HOST:PORT"),
        ("db.example.org", "grpc://HOST:PORT"),
    ],
)
def test_other_addresses_are_refused_and_no_message_repeats_a_password(address, expected):
    with pytest.raises(ConfigError, match=r"search\.study_storage: expected") as raised:
        override(read_settings(DEFAULT_CONFIG), study_storage=address)
    assert expected in str(raised.value)
    assert SECRET not in str(raised.value)


def test_the_address_of_a_scheduler_is_checked():
    assert configured(dask_scheduler="tcp://scheduler.example.org:8786")
    for address in ("scheduler.example.org:8786", "tcp://scheduler.example.org", "tcp://[:1"):
        with pytest.raises(ValueError, match="expected the address of a Dask scheduler"):
            configured(dask_scheduler=address)
