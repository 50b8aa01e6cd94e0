"""Heartbeats, claims and addresses of shared studies, without a server."""

from __future__ import annotations

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from fmnist_lib.search.engines import shared_storage, shared_study
from fmnist_lib.search.engines.shared_storage import MAX_RETRIES

pytestmark = pytest.mark.filterwarnings(
    "ignore:Heartbeat of storage", "ignore::optuna.exceptions.ExperimentalWarning"
)


class Memory(shared_storage._Heartbeats, InMemoryStorage):
    """A storage of this process with the heartbeats of the shared ones."""


@pytest.fixture
def clock(monkeypatch):
    """Set the time that the heartbeats see: ``clock[0]`` seconds."""
    now = [100.0]
    monkeypatch.setattr(shared_storage.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def study():
    return optuna.create_study(storage=Memory(), direction="maximize")


def watch(study, clock, seconds, beating=None):
    """Look at the trials every second, as a worker does that has nothing to start."""
    for _ in range(seconds):
        clock[0] += 1
        if beating is not None:
            study._storage.record_heartbeat(beating._trial_id)
        optuna.storages.fail_stale_trials(study)


def test_a_trial_without_heartbeats_is_queued_again_without_its_results(study, clock):
    trial = study.ask()
    point = trial.suggest_float("x", 0, 1)
    study._storage.record_heartbeat(trial._trial_id)
    trial.set_user_attr("fit_time", {"rows": 1})
    watch(study, clock, 20)
    assert study.trials[0].state == TrialState.RUNNING
    watch(study, clock, 3)
    assert [one.state for one in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    assert study.trials[1].params == {"x": point}
    assert not study.trials[1].user_attrs
    assert shared_study.repeated_trials(study.trials) == {0: 1}


def test_a_worker_that_died_before_its_first_heartbeat_is_noticed(study, clock):
    study.ask()
    watch(study, clock, 23)
    assert study.trials[0].state == TrialState.FAIL


def test_a_trial_with_heartbeats_goes_on(study, clock):
    watch(study, clock, 60, beating=study.ask())
    assert [one.state for one in study.trials] == [TrialState.RUNNING]


def test_nobody_is_declared_dead_because_the_server_was_away(study, clock):
    study.ask()
    watch(study, clock, 15)
    clock[0] += 100  # no call came through
    watch(study, clock, 15)
    assert study.trials[0].state == TrialState.RUNNING


def test_a_trial_that_kills_its_workers_fails_in_the_end(study, clock):
    study.ask()
    for _ in range(MAX_RETRIES + 1):
        watch(study, clock, 23)
        study._pop_waiting_trial_id()
    assert [one.state for one in study.trials] == [TrialState.FAIL] * (MAX_RETRIES + 1)
    (slot,) = shared_study.slots_of(study.trials)
    assert slot.number == MAX_RETRIES


def test_of_two_workers_that_start_the_last_trial_at_once_one_goes_on(study):
    first, last, surplus = (study.ask() for _ in range(3))
    assert [shared_study.is_surplus(study, one, 2) for one in (first, last, surplus)] == [
        False,
        False,
        True,
    ]
    surplus.set_user_attr(shared_study.SURPLUS, value=True)
    assert len(shared_study.slots_of(study.trials)) == 2


def test_all_workers_together_run_as_many_trials_as_asked_for(study):
    def run_one():
        study.tell(study.ask(), 1.0)

    shared_study.run_trials(study, run_one, 5, lambda: False)
    shared_study.run_trials(study, run_one, 5, lambda: False)
    assert len(study.trials) == 5


def test_a_suspended_worker_goes_on_after_its_trial_was_given_to_another_one(study):
    """It was about to tell a result, or to report an accuracy."""

    def objective(trial):
        if trial.number in {0, 2}:
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        if trial.number == 2:
            trial.report(0.5, 1)
        return 1.0

    shared_study.run_trials(study, lambda: study.optimize(objective, n_trials=1), 4, lambda: False)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.FAIL, TrialState.COMPLETE] * 2
