from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.common.promotion_decision import GateResult
from fmnist_lib.config.release import GatesConfig
from fmnist_lib.registry import promotion
from fmnist_lib.registry.audit_log import open_entry, read_audit_log
from fmnist_lib.registry.promotion import promote, read_measures, recorded_decision, rollback
from fmnist_lib.registry.promotion_lock import _ServerLock
from fmnist_lib.registry.store import client

NAME = "fashion-mnist"
GATES = GatesConfig(min_accuracy=0.7, min_accuracy_low=0.65)


@pytest.fixture
def registry(store):
    registry = client(store.uri)
    registry.create_registered_model(NAME)
    return registry


@pytest.fixture
def new_version(registry, tmp_path):
    def make(measures):
        tags = measures.as_tags() | {"data.origin": measures.origin}
        return str(registry.create_model_version(NAME, tmp_path.as_uri(), tags=tags).version)

    return make


@pytest.fixture
def attempt(store, new_version):
    """Register a version with these measures and try to promote it."""

    def run(measures, **options):
        version = new_version(measures)
        return promote(store, NAME, version, measures, GATES, by="ci", **options)

    return run


def champion(registry):
    return str(registry.get_model_version_by_alias(NAME, "champion").version)


def test_the_first_good_model_becomes_champion_and_is_in_the_audit_log(
    registry, attempt, make_measures
):
    decision = attempt(make_measures())
    assert decision.promoted
    assert champion(registry) == decision.version == decision.champion == "1"
    (entry,) = read_audit_log(registry, NAME)
    assert (entry.outcome, entry.version, entry.before, entry.by) == ("promoted", "1", None, "ci")
    assert entry.gates["calibration"] == "passed: 0.02 (at most 0.1)"
    tags = registry.get_model_version(NAME, "1").tags
    assert (tags["promotion"], tags["gate.size"]) == ("promoted", "passed: 3 (at most 150)")


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"accuracy": 0.75}, "not-worse"),
        ({"calibration_error": 0.5}, "calibration"),
        ({"ms_per_image": 60.0}, "latency"),
        ({"origin": "synthetic"}, "real-data"),
    ],
)
def test_a_bad_challenger_is_refused_and_the_gate_named(
    registry, store, attempt, make_measures, change, gate
):
    attempt(make_measures())
    decision = attempt(make_measures(**change))
    assert not decision.promoted
    assert [result.name for result in decision.failed] == [gate]
    assert decision.reason.startswith(gate)
    assert champion(registry) == decision.champion == "1"
    assert read_audit_log(registry, NAME)[-1].outcome == "refused"
    tags = registry.get_model_version(NAME, "2").tags
    assert tags["promotion"] == f"refused: {gate}"
    assert tags[f"gate.{gate}"].startswith("FAILED")
    recorded = recorded_decision(store, NAME, "2")
    assert not recorded.promoted
    assert [result.name for result in recorded.failed] == [gate]
    assert (recorded.champion, recorded.entry) == ("1", 2)


def test_a_champion_of_other_test_images_is_evaluated_on_these(attempt, make_measures):
    attempt(make_measures())
    measures = make_measures(test_set="d" * 64, accuracy=0.8)
    assert attempt(measures).failed[0].measured == "not comparable"
    asked = []

    def compare(version):
        asked.append(version)
        return np.ones(1000, dtype=bool)

    decision = attempt(measures, compare=compare)
    assert asked == ["1"]
    assert decision.failed[0].name == "not-worse"
    assert attempt(measures, compare=lambda _: measures.correct).promoted

    def broken(_):
        raise OSError("no such file")

    assert "could not be evaluated: no such file" in attempt(make_measures(), compare=broken).reason


def test_a_gate_of_the_caller_can_refuse(attempt, make_measures):
    beaten = GateResult("beats-champion", passed=False, measured="a", required="b", explanation="c")
    assert attempt(make_measures(), extra=[beaten]).failed == (beaten,)


def test_a_promotion_that_was_killed_after_it_moved_the_alias_is_completed(
    registry, store, attempt, make_measures, monkeypatch
):
    attempt(make_measures(0.8))

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(promotion, "_tag", die)
    with pytest.raises(KeyboardInterrupt):
        attempt(make_measures(0.84))
    monkeypatch.undo()
    assert champion(registry) == "2"
    assert recorded_decision(store, NAME, "2") is None
    # It does not beat the champion, which it is.
    beaten = GateResult("beats-champion", passed=False, measured="a", required="b", explanation="c")
    decision = promote(store, NAME, "2", make_measures(0.84), GATES, extra=[beaten])
    assert decision.promoted
    assert champion(registry) == "2"
    assert recorded_decision(store, NAME, "2").promoted
    assert rollback(store, NAME).version == "1"


def test_rolling_back_goes_to_the_champion_before_and_further(
    registry, store, attempt, make_measures
):
    for accuracy in (0.8, 0.82, 0.5, 0.84):
        attempt(make_measures(accuracy))
    assert champion(registry) == "4"
    entry = rollback(store, NAME, by="ci", reason="complaints")
    assert (entry.version, entry.before, entry.reason) == ("2", "4", "complaints")
    assert champion(registry) == "2"
    rollback(store, NAME)
    assert champion(registry) == "1"
    with pytest.raises(TrackingError, match="expected a champion before version 1"):
        rollback(store, NAME)
    rollback(store, NAME, to="3")
    assert champion(registry) == "3"
    assert [entry.outcome for entry in read_audit_log(registry, NAME)][-3:] == ["rolled back"] * 3


def test_rolling_back_to_a_synthetic_or_missing_version_is_refused(
    registry, store, attempt, make_measures
):
    attempt(make_measures())
    attempt(make_measures(origin="synthetic"))
    with pytest.raises(TrackingError, match="never becomes champion"):
        rollback(store, NAME, to="2")
    with pytest.raises(TrackingError, match="which does not exist"):
        rollback(store, NAME, to="9")
    assert champion(registry) == "1"


def test_of_twenty_concurrent_promotions_one_is_champion_and_all_are_in_the_audit_log(
    store, promote_concurrently
):
    promote_concurrently(store, 20)


def test_a_promotion_whose_process_was_killed_does_not_block_the_next_one(
    registry, store, killed_promotion, attempt, make_measures
):
    killed_promotion(store, NAME)
    assert attempt(make_measures()).promoted
    log = read_audit_log(registry, NAME)
    assert [entry.outcome for entry in log] == ["abandoned", "promoted"]


def test_a_failed_promotion_does_not_block_the_next_one(
    registry, new_version, attempt, make_measures
):
    version = new_version(make_measures())
    with (
        pytest.raises(RuntimeError, match="lost the connection"),
        open_entry(registry, NAME, version, "promote", "ci"),
    ):
        raise RuntimeError("lost the connection")
    assert attempt(make_measures()).promoted
    assert [entry.outcome for entry in read_audit_log(registry, NAME)] == ["failed", "promoted"]


def test_the_measures_of_a_version_can_be_read_back(store, registry, new_version, make_measures):
    version = new_version(make_measures())
    assert read_measures(store, NAME, version).accuracy.value == 0.84
    bare = registry.create_model_version(NAME, "file:///nowhere").version
    with pytest.raises(TrackingError, match=f"{NAME} {bare}: expected the measures"):
        read_measures(store, NAME, str(bare))


def test_a_lock_that_is_released_while_it_is_asked_for_is_asked_for_again():
    """The server finds its name taken, and no longer finds the model that has it."""
    lock = _ServerLock("http://127.0.0.1:9", "lock")
    models = {}

    class Registry:
        calls = 0

        def create_registered_model(self, name, description):
            self.calls += 1
            if self.calls == 1:
                raise MlflowException("not found", error_code=RESOURCE_DOES_NOT_EXIST)
            models[name] = description

        def get_registered_model(self, name):
            if name not in models:
                raise MlflowException("not found", error_code=RESOURCE_DOES_NOT_EXIST)
            return SimpleNamespace(description=models[name])

    lock._registry = Registry()
    assert not lock._try()
    assert lock._try()
