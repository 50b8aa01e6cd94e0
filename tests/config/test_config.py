from __future__ import annotations

import json

import pytest

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.loading import override, parse_settings, read_settings, source_of
from fmnist_lib.config.monitor import DEFAULT_MONITOR_CONFIG, MonitorSettings
from fmnist_lib.config.training import DEFAULT_CONFIG, Settings

CANDIDATE = '[[search.candidates]]\nid = "a"\nengine = "optuna"\nfamilies = ["logistic"]\n'


def message(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_settings(text, "my.toml")
    return str(error.value)


@pytest.mark.parametrize("name", ["train.toml", "quick.toml"])
def test_shipped_configs_are_valid(name):
    settings = read_settings(PROJECT_ROOT / "config" / name)
    assert {candidate.engine for candidate in settings.search.candidates} >= {"optuna", "tpot"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sed = 1\n" + CANDIDATE, "my.toml: sed: unknown key"),
        ('seed = "x"\n' + CANDIDATE, "seed: expected integer, got 'x'"),
        ("seed = -1\n" + CANDIDATE, "seed: expected greater than or equal to 0, got -1"),
        ("[search]\nminutes = 0.0\n" + CANDIDATE, "search.minutes: expected greater than 0"),
        ("[search]\nminutes = true\n" + CANDIDATE, "search.minutes: expected number, got True"),
        ("[data]\nrows = 1.5\n" + CANDIDATE, "data.rows: expected integer"),
        ("[data]\nvalidation_share = 1.0\n" + CANDIDATE, "data.validation_share: expected less"),
        (CANDIDATE.replace("optuna", "hyperopt"), "search.candidates[0].engine: expected one of"),
        (CANDIDATE.replace("logistic", "svm"), "search.candidates[0].families[0]: expected"),
        (CANDIDATE.replace('"a"', '"A b"'), "search.candidates[0].id"),
        (CANDIDATE + CANDIDATE, "candidate ids must be unique, got a twice"),
        ("[search]\ncandidates = []\n", "search.candidates: expected at least one entry"),
        ("seed = 1\n", "search: expected a value, got nothing"),
        ("[search]\nminutes = 1.0\n", "search.candidates: expected a value, got nothing"),
        ('[[search.candidates]]\nid = "a"\n', "search.candidates[0].engine: expected a value"),
        (
            '[[search.candidates]]\nid = "a"\nengine = "baseline"\nstrategy = "majority"\n',
            "at least one candidate must be of the engine",
        ),
        ("seed = = 1\n", "my.toml: expected a TOML or JSON file"),
    ],
)
def test_a_bad_value_names_file_key_expected_and_got(text, expected):
    assert expected in message(text)


def test_every_problem_is_named_at_once():
    lines = message("sed = 1\n[search]\nminutes = -1.0\n" + CANDIDATE).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("my.toml: ") for line in lines)


def test_settings_round_trip_through_json():
    settings = read_settings(DEFAULT_CONFIG)
    again = type(settings).model_validate(json.loads(settings.model_dump_json()))
    assert again == settings


def test_parameters_override_the_file_and_are_checked():
    settings = read_settings(DEFAULT_CONFIG)
    changed = override(
        settings, minutes=2.0, seed=None, early_stop=False, rows=1000, data_dir="somewhere"
    )
    assert changed.search.minutes == 2.0
    assert not changed.search.early_stop
    assert changed.seed == settings.seed
    assert changed.data.rows == 1000
    assert changed.data.directory == "somewhere"
    with pytest.raises(ConfigError, match=r"command line parameters: search\.minutes"):
        override(settings, minutes=-1.0)


def test_the_file_of_a_text_is_found_on_the_command_line(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("seed = 1\n")
    assert source_of("seed = 1\n", ["train.py", "--config", "config", str(file)]) == str(file)
    assert source_of("seed = 2\n", ["train.py", str(file)]) == "configuration"


def test_an_unreadable_file_is_one_message(tmp_path):
    with pytest.raises(ConfigError, match="expected a readable TOML or JSON file"):
        read_settings(tmp_path / "missing.toml")


def test_the_shipped_monitor_config_is_valid_and_its_messages_name_it():
    text = DEFAULT_MONITOR_CONFIG.read_text()
    assert parse_settings(text, "monitor.toml", MonitorSettings).signal == "signals/monitor.json"
    assert source_of(text, [], DEFAULT_MONITOR_CONFIG) == str(DEFAULT_MONITOR_CONFIG)
    with pytest.raises(ConfigError, match=r"monitor\.toml: rows: expected greater"):
        parse_settings("rows = 1", "monitor.toml", MonitorSettings)


SHIPPED = sorted((PROJECT_ROOT / "config").glob("*.toml"))


def model_of(path):
    return MonitorSettings if path == DEFAULT_MONITOR_CONFIG else Settings


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("indent", [None, 2])
def test_resolved_settings_are_read_back_from_json_exactly(path, indent, tmp_path):
    settings = read_settings(path, model_of(path))
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings.model_dump(mode="json"), indent=indent, sort_keys=True))
    again = read_settings(file, model_of(path))
    assert again == settings
    assert again.model_dump_json() == settings.model_dump_json()


def test_settings_that_differ_from_every_default_are_read_back(tmp_path):
    settings = override(read_settings(DEFAULT_CONFIG), seed=7, minutes=0.1, rows=500, data_dir="ü")
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings.model_dump(mode="json")), encoding="utf-8")
    assert read_settings(file) == settings


@pytest.mark.parametrize("before", ["\ufeff", "\n \t", "\ufeff\r\n"])
def test_a_byte_order_mark_and_blanks_come_first_in_either_notation(before):
    expected = parse_settings(CANDIDATE, "my.toml")
    assert parse_settings(before + CANDIDATE, "my.toml") == expected
    text = before + json.dumps(expected.model_dump(mode="json"))
    assert parse_settings(text, "my.json") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "my.toml: expected a JSON object, as it begins with a brace, got: Expecting"),
        ('{"seed": 1, "seed": 2}', "got: the key 'seed' twice."),
        ('{"search": {"minutes": NaN}}', "got: NaN, which is no JSON number."),
        ('{"sed": 1, "search": {"candidates": []}}', "my.toml: sed: unknown key"),
        ('{"seed": 1.5, "search": null}', "seed: expected integer, got 1.5"),
        ('{"seed": true}', "seed: expected integer, got True"),
        ('{"search": []}', "search: expected"),
        ("{}", "search: expected a value, got nothing"),
        ("[1, 2]", "my.toml: expected a TOML or JSON file"),
        ('{"schema": {}, "resolved": 5}', "my.toml: settings: expected"),
        ('{"a":' * 100_000, "expected a JSON object"),
    ],
)
def test_bad_json_names_file_key_expected_and_got(text, expected):
    assert expected in message(text)


def test_the_file_of_a_text_is_found_whatever_its_ending(tmp_path):
    text = '{"seed": 1}'
    for name in ("config.json", "settings", "my config.TOML"):
        (tmp_path / name).write_text(text)
        arguments = ["train.py", "--config", "config", str(tmp_path / name), "run", "x" * 5000]
        assert source_of(text, arguments) == str(tmp_path / name)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    assert source_of(text, [str(tmp_path), str(tmp_path / "binary"), "a\0b"]) == "configuration"


@pytest.mark.parametrize(
    "tracking",
    [
        '"http://user:secret@host"',
        '{ uri = "http://user:secret@host" }',
        '{ uri = "postgresql://user:a/secret@host/db" }',
        '{ uri = "postgresql://host/db?password=secret" }',
        '{ uri = ["http://user:secret@host"] }',
    ],
)
def test_a_password_in_a_configuration_is_refused_and_not_shown(tracking):
    with pytest.raises(ConfigError) as refused:
        parse_settings(f"tracking = {tracking}\n{CANDIDATE}", "c.toml")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "seed = " + "9" * 5000, "{" * 5000])
def test_a_hostile_configuration_is_one_message(text):
    with pytest.raises(ConfigError, match=r"c\.toml: expected"):
        parse_settings(text, "c.toml")
