from __future__ import annotations

import json

import pytest

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.monitor import DEFAULT_MONITOR_CONFIG, MonitorSettings
from fmnist_lib.config.training import DEFAULT_CONFIG, Settings

SHIPPED = sorted((PROJECT_ROOT / "config").glob("*.toml"))
KINDS = {"train": (Settings, DEFAULT_CONFIG), "monitor": (MonitorSettings, DEFAULT_MONITOR_CONFIG)}


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_file_the_schema_and_the_shipped_settings_are_printed(kind, fmnist):
    model, default = KINDS[kind]
    status, output, _ = fmnist("config", kind)
    assert status == 0
    printed = json.loads(output)
    assert printed["schema"]["additionalProperties"] is False
    assert set(printed["schema"]["properties"]) == set(model.model_fields)
    assert printed["resolved"] == read_settings(default, model).model_dump(mode="json")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_printed_of_a_file_can_be_read_back(path, tmp_path, fmnist):
    kind = "monitor" if path == DEFAULT_MONITOR_CONFIG else "train"
    model, file = KINDS[kind][0], tmp_path / "printed.json"
    status, printed, _ = fmnist("config", kind, path)
    assert status == 0
    file.write_text(printed)
    assert read_settings(file, model) == read_settings(path, model)
    assert fmnist("config", kind, file) == (0, printed, "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_with_the_settings_can_be_read_back(kind, tmp_path, fmnist):
    model, default = KINDS[kind]
    file = tmp_path / "printed.json"
    file.write_text(fmnist("config", kind)[1])
    assert read_settings(file, model) == read_settings(default, model)


def test_an_unknown_key_is_one_message_that_says_where_the_keys_are_listed(tmp_path, fmnist):
    file = tmp_path / "bad.toml"
    file.write_text("sed = 1\n" + DEFAULT_CONFIG.read_text())
    status, output, message = fmnist("config", "train", file)
    assert (status, output) == (1, "")
    assert message.startswith(f"Error: {file}: sed: unknown key. Run `python -m fmnist_lib config")


def test_settings_of_the_other_kind_are_refused(fmnist):
    status, _, message = fmnist("config", "monitor", DEFAULT_CONFIG)
    assert status == 1
    assert "search: unknown key" in message
