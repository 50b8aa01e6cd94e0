from __future__ import annotations

import json

import pytest

from fmnist_lib.registry.runs import log_training_run

SEARCH = '[[search.candidates]]\nid = "a"\nengine = "optuna"\nfamilies = ["logistic"]\n'


@pytest.fixture
def command(store, tmp_path, fmnist, monkeypatch):
    """Run a command on the store; give its status, output and errors."""
    config = tmp_path / "mine.toml"
    config.write_text(f'[tracking]\nexperiment = "copy"\n[gates]\nmin_accuracy = 0.8\n{SEARCH}')
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)

    def run(name, *words):
        return fmnist("registry", name, "--config", config, "--root", tmp_path, *words)

    return run


def test_promotions_and_rollbacks_are_in_the_audit_log(command, store, make_record, saved_model):
    for number, accuracy in enumerate((0.88, 0.9), start=1):
        record = make_record(run_id=str(number), accuracy=accuracy)
        log_training_run(store, record, saved_model)
    status, output, _ = command("rollback", "--by", "me", "--reason", "complaints")
    assert status == 0
    assert "Version 1 of fashion-mnist is the champion now, in place of version 2" in output
    status, output, _ = command("promote")
    assert status == 0
    assert "passed  accuracy: 0.9 (at least 0.8" in output
    assert "Version 2 of fashion-mnist is the champion now" in output
    status, output, _ = command("promote", "1")
    assert status == 1
    assert "FAILED  not-worse" in output
    assert "Version 1 of fashion-mnist did not become champion" in output
    _, output, _ = command("log")
    outcomes = ["promoted", "promoted", "rolled back", "promoted", "refused"]
    assert [line.split("  version ")[1][5:17].strip() for line in output.splitlines()] == outcomes
    assert "by me, champion before: 2. complaints" in output
    assert command("sync")[1].startswith("No spooled runs in ")


def test_scripts_read_decisions_as_json(command, store, make_record, saved_model):
    for number, accuracy in enumerate((0.88, 0.9), start=1):
        record = make_record(run_id=str(number), accuracy=accuracy)
        log_training_run(store, record, saved_model)
    status, output, _ = command("rollback", "--by", "me", "--json")
    assert status == 0
    back = json.loads(output)
    assert (back["version"], back["before"], back["by"]) == ("1", "2", "me")
    status, output, _ = command("promote", "2", "--json")
    assert status == 0
    assert json.loads(output)["promoted"]
    status, output, _ = command("promote", "1", "--json")
    assert status == 1
    refused = json.loads(output)
    assert refused["champion"] == "2"
    assert "not-worse" in [gate["name"] for gate in refused["gates"] if not gate["passed"]]
    status, output, _ = command("log", "--json")
    assert status == 0
    outcomes = ["promoted", "promoted", "rolled back", "promoted", "refused"]
    assert [entry["outcome"] for entry in json.loads(output)] == outcomes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rollback"], "expected a champion in the audit log, got none"),
        (["promote"], "expected a version with the alias 'challenger', got none"),
        (["promote", "7"], "expected a version of fashion-mnist, got 7, which does not exist"),
        (["rollback", "--to", "7"], "which does not exist"),
    ],
)
def test_an_error_is_one_message(command, words, message):
    status, output, errors = command(*words)
    assert (status, output) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1


def test_before_the_first_promotion_the_audit_log_is_empty(command):
    assert command("log")[1].startswith("No promotions of fashion-mnist yet")
