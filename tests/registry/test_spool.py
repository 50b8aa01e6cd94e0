from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from filelock import FileLock

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.registry import runs
from fmnist_lib.registry.audit_log import read_audit_log
from fmnist_lib.registry.idempotent_runs import KEY
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.spool import deliver, delivery_lock, spool_run, spooled_runs
from fmnist_lib.registry.store import client


def test_a_spooled_run_is_delivered_once_and_removed(
    store, make_record, saved_model, contents, tmp_path
):
    record = make_record()
    place = spool_run(tmp_path / "spool", record, saved_model, "connection refused")
    assert spooled_runs(tmp_path / "spool") == [place]
    assert (place / "problem.txt").read_text() == "connection refused"
    tracked = deliver(store, place)
    assert tracked.decision.promoted
    assert spooled_runs(tmp_path / "spool") == []
    once = contents(store.uri, "copy")
    assert set(once) == {
        record.identity.key,
        *(f"{record.identity.key}/{n}" for n in ("fast", "plain", "broken")),
    }
    # A process that died after the delivery and before the spool was emptied.
    again = deliver(store, spool_run(tmp_path / "spool", record, saved_model, ""))
    assert (again.run_id, again.model_uri, again.alias) == (
        tracked.run_id,
        tracked.model_uri,
        "champion",
    )
    assert (again.decision.reason, again.decision.entry) == ("passed all 9 gates", 1)
    assert [(gate.name, gate.measured, gate.required) for gate in again.decision.gates] == [
        (gate.name, gate.measured, gate.required) for gate in tracked.decision.gates
    ]
    assert contents(store.uri, "copy") == once
    assert len(read_audit_log(client(store.uri), "fashion-mnist")) == 1


def test_runs_are_delivered_in_the_order_of_their_numbers(tmp_path):
    numbers = [9, 10, 101, 1700000000000001]
    for number in reversed(numbers):
        place = tmp_path / f"FashionMnistTrain-{number}"
        place.mkdir()
        (place / "record.pickle").touch()
    expected = [f"FashionMnistTrain-{number}" for number in numbers]
    assert [place.name for place in spooled_runs(tmp_path)] == expected


@pytest.mark.parametrize(
    "step", ["_log_candidate", "_logged_model", "_log_parent", "register", "promote", "log_all"]
)
def test_what_was_logged_before_the_failure_is_completed(
    store, make_record, saved_model, contents, monkeypatch, step
):
    record, real = make_record(), getattr(runs, step)

    def fail_afterwards(*arguments, **options):
        real(*arguments, **options)
        raise OSError("connection reset")

    monkeypatch.setattr(runs, step, fail_afterwards)
    with pytest.raises(TrackingError, match="connection reset"):
        log_training_run(store, record, saved_model)
    monkeypatch.undo()
    log_training_run(store, record, saved_model)
    found = contents(store.uri, "copy")
    assert len(found) == 4
    status, _, metrics, datasets, n_models, files = found[record.identity.key]
    assert (status, len(datasets), n_models) == ("FINISHED", 3, 1)
    assert metrics["test_accuracy"] == [(0, 0.84)]
    assert "environment.json" in files
    assert len(found[f"{record.identity.key}/fast"][2]["trial_value"]) == 59
    registry = client(store.uri)
    assert len(registry.search_model_versions("name = 'fashion-mnist'")) == 1
    assert len(registry.search_logged_models([store.experiment_id])) == 1
    assert registry.get_model_version_by_alias("fashion-mnist", "champion").version == 1


@pytest.mark.parametrize("step", ["_logged_model", "log_training_run"])
def test_a_resumed_run_completes_the_mlflow_run_of_the_run_before(
    store, make_record, saved_model, contents, monkeypatch, step
):
    first, real = make_record(), getattr(runs, step)
    identity = replace(first.identity, run_id="1748", computed_in=first.identity.key)
    resumed = replace(first, identity=identity, created=first.created + 3_600_000)

    def die_afterwards(*arguments, **options):
        real(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, step, die_afterwards)
    with pytest.raises(KeyboardInterrupt):
        runs.log_training_run(store, first, saved_model)
    monkeypatch.undo()
    # Pickled anew by the resumed run: it is registered with the hash of what was uploaded.
    uploaded = step != "_logged_model"
    again = replace(saved_model, sha256="d" * 64) if uploaded else saved_model
    tracked = log_training_run(store, resumed, again)
    found = contents(store.uri, "copy")
    assert set(found) == {
        first.identity.key,
        *(f"{first.identity.key}/{name}" for name in ("fast", "plain", "broken")),
    }
    assert found[first.identity.key][2]["test_accuracy"] == [(0, 0.84)]
    assert len(found[f"{first.identity.key}/fast"][2]["trial_value"]) == 59
    registry = client(store.uri)
    (version,) = registry.search_model_versions("name = 'fashion-mnist'")
    assert tracked.alias == "champion"
    for alias in ("champion", "challenger"):
        holder = registry.get_model_version_by_alias("fashion-mnist", alias)
        assert holder.version == version.version
    assert version.tags["model.sha256"] == saved_model.sha256
    assert [entry.outcome for entry in read_audit_log(registry, "fashion-mnist")] == ["promoted"]
    parent = registry.get_run(tracked.run_id)
    assert parent.info.run_name == resumed.identity.key
    (model,) = registry.search_logged_models([store.experiment_id])
    for tags in (parent.data.tags, version.tags, model.tags):
        assert tags["metaflow.run_id"] == "1748"


def test_what_an_earlier_run_spooled_changes_nothing_after_the_resumed_run(
    store, make_record, saved_model, contents, tmp_path
):
    first = make_record()
    place = spool_run(tmp_path / "spool", first, saved_model, "")
    identity = replace(first.identity, run_id="1748", computed_in=first.identity.key)
    log_training_run(store, replace(first, identity=identity), saved_model)
    other = log_training_run(store, make_record(run_id="1749", accuracy=0.85), saved_model)
    before = contents(store.uri, "copy")
    tracked = deliver(store, place)
    assert contents(store.uri, "copy") == before
    registry = client(store.uri)
    assert registry.get_run(tracked.run_id).data.tags["metaflow.run_id"] == "1748"
    for alias in ("champion", "challenger"):
        version = registry.get_model_version_by_alias("fashion-mnist", alias)
        assert str(version.version) == other.model_version
    assert tracked.alias == "challenger"


def test_a_duplicate_from_a_lost_response_is_deleted(store, make_record, saved_model):
    record, tracking = make_record(), client(store.uri)
    run = record.identity.key
    for key in (run, f"{run}/fast", f"{run}9"):
        for _ in range(2):
            tracking.create_run(store.experiment_id, tags={KEY: key})
    log_training_run(store, record, saved_model)
    keys = sorted(run.data.tags[KEY] for run in tracking.search_runs([store.experiment_id]))
    others = [f"{run}/{name}" for name in ("broken", "fast", "plain")]
    assert keys == sorted([run, *others, f"{run}9", f"{run}9"])


def test_a_slow_server_times_out(store, make_record, saved_model):
    record = make_record()
    tracking = record.settings["tracking"] | {"max_seconds": 1e-6}
    hurried = replace(record, settings=record.settings | {"tracking": tracking})
    with pytest.raises(TrackingError, match="within 1e-06 seconds, it is slower"):
        log_training_run(store, hurried, saved_model)


def test_concurrent_deliveries_are_refused(tmp_path):
    (tmp_path / "spool").mkdir()
    with (
        FileLock(tmp_path / "spool" / ".lock"),
        pytest.raises(TrackingError, match="another process is delivering"),
        delivery_lock(tmp_path / "spool"),
    ):
        pass


def test_an_unreadable_run_is_one_message_and_the_others_are_delivered(
    store, make_record, saved_model, tmp_path, fmnist, monkeypatch
):
    spool = tmp_path / "mlruns" / "spool"
    spool_run(spool, make_record(run_id="2"), saved_model, "")
    damaged = spool_run(spool, make_record(run_id="1"), saved_model, "")
    (damaged / "record.pickle").write_bytes(pickle.dumps(1)[:-1])
    record = make_record(run_id="0")
    older = replace(record, settings=record.settings | {"a_setting_that_is_no_more": 1})
    outdated = spool_run(spool, older, saved_model, "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    status, out, err = fmnist("registry", "sync", "--root", tmp_path)
    assert status == 1
    assert "FashionMnistTrain-2 is models:/fashion-mnist/1, champion: passed all" in out
    problems = err.splitlines()
    assert problems[0].startswith("FashionMnistTrain-0 stays in the spool: ")
    assert "a_setting_that_is_no_more" in problems[0]
    assert problems[1].startswith("FashionMnistTrain-1 stays in the spool: ")
    assert "Traceback" not in err
    assert spooled_runs(spool) == [outdated, damaged]


@pytest.mark.parametrize("content", [b"", b"garbage", b"cno_such_module\nX\n.", pickle.dumps(1)])
def test_a_damaged_record_of_a_run_is_one_message_and_stays(content, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.pickle").write_bytes(content)
    with pytest.raises(
        TrackingError, match="expected a run that this version of the project spooled"
    ):
        deliver(None, tmp_path / "run")
    assert (tmp_path / "run" / "record.pickle").read_bytes() == content


def test_a_foreign_tag_in_the_audit_log_hides_no_entry(store, tmp_path):
    registry = client(store.uri)
    registry.create_registered_model("m-promotions")
    for gates in ("no JSON", "[1]", '{"accuracy": "passed"}'):
        registry.create_model_version("m-promotions", tmp_path.as_uri(), tags={"gates": gates})
    assert [entry.gates for entry in read_audit_log(registry, "m")] == [
        {},
        {},
        {"accuracy": "passed"},
    ]
