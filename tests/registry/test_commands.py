from __future__ import annotations

import pytest

from fmnist_lib.registry.__main__ import main
from fmnist_lib.registry.runs import log_training_run

SEARCH = '[[search.candidates]]\nid = "a"\nengine = "optuna"\nfamilies = ["logistic"]\n'


@pytest.fixture
def command(store, tmp_path, capsys, monkeypatch):
    """Run a command on the store; give its status, output and errors."""
    config = tmp_path / "mine.toml"
    config.write_text(f'[tracking]\nexperiment = "copy"\n[gates]\nmin_accuracy = 0.8\n{SEARCH}')
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)

    def run(*words):
        status = main(["--config", str(config), "--root", str(tmp_path), "--by", "me", *words])
        return status, *capsys.readouterr()

    return run


def test_promotions_and_rollbacks_are_in_the_audit_log(command, store, make_record, saved_model):
    for number, accuracy in enumerate((0.88, 0.9), start=1):
        record = make_record(run_id=str(number), accuracy=accuracy)
        log_training_run(store, record, saved_model)
    status, output, _ = command("rollback", "--reason", "complaints")
    assert status == 0
    assert "Version 1 of fashion-mnist is the champion again, in place of 2" in output
    status, output, _ = command("promote")
    assert status == 0
    assert "passed  accuracy: 0.9 (at least 0.8" in output
    assert "Version 2 of fashion-mnist is the champion now" in output
    status, output, _ = command("promote", "1")
    assert status == 1
    assert "FAILED  not-worse" in output
    assert "Version 1 of fashion-mnist did not become champion" in output
    _, output, _ = command("trail")
    outcomes = ["promoted", "promoted", "rolled back", "promoted", "refused"]
    assert [line.split("  version ")[1][5:17].strip() for line in output.splitlines()] == outcomes
    assert "by me, champion before: 2. complaints" in output
    assert command("sync")[1].startswith("No spooled runs in ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rollback"], "expected a champion before version None"),
        (["promote"], "expected a version with the alias 'challenger', got none"),
        (["promote", "7"], "not found"),
        (["rollback", "--to", "7"], "which does not exist"),
    ],
)
def test_an_error_is_one_message(command, words, message):
    status, output, errors = command(*words)
    assert (status, output) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1


def test_before_the_first_promotion_the_audit_log_is_empty(command):
    assert command("trail")[1].startswith("No promotions of fashion-mnist yet")
