"""Reasons for which a clean-up keeps a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

FLOWS = Path(__file__).resolve().parents[3] / "flows"
TRAIN, MONITOR = "FashionMnistTrain", "FashionMnistMonitor"
OLD = f"{TRAIN}/1"


class Run:
    """A run that nothing keeps, unless it is told otherwise."""

    def __init__(self, key=OLD, *, origins=(), tags=(), artifacts=None, **facts):
        self.key, (self.flow, self.id) = key, key.split("/")
        self.origins, self.tags = frozenset(origins), frozenset(tags)
        self._artifacts = artifacts or {}
        usual = {"finished": True, "is_damaged": False, "last_write": 100.0}
        vars(self).update(usual | facts)

    def artifacts(self, name):
        return [self._artifacts[name]] if name in self._artifacts else []


@pytest.fixture
def reasons(monkeypatch):
    """Return a function from runs and facts around them to the reasons."""
    monkeypatch.syspath_prepend(str(FLOWS))
    from housekeeping.retention import Surroundings, reasons_to_keep

    def found(*runs, keep=1, **facts):
        newest = Run(f"{TRAIN}/9")
        by_flow = {flow: [run for run in runs if run.flow == flow] for flow in (TRAIN, MONITOR)}
        by_flow[TRAIN].insert(0, newest)
        kept = reasons_to_keep(by_flow, keep, Surroundings(**({"recent": 200.0} | facts)))
        assert kept.pop(newest.key) == f"among the last {keep}"
        return kept

    return found


@pytest.mark.parametrize(
    ("run", "facts", "reason"),
    [
        (Run(), {"keep": 2}, "among the last 2"),
        (Run(tags=["paper", "data:official", "challenger"]), {}, "tagged paper"),
        (Run(is_damaged=True), {}, "its metadata can't be read"),
        (Run(), {"registered": [OLD]}, "its model is registered"),
        (Run(tags=["promoted"]), {}, "promoted"),
        (Run(artifacts={"promoted": True}), {}, "promoted"),
        (Run(), {"champion": OLD}, "the champion that the monitor uses"),
        (Run(), {"last_started": ["1"]}, "`resume` without an id resumes it"),
        (Run(), {"named": {"1"}}, "named by a process that is running"),
        (Run(finished=False), {"is_writing": True}, "unfinished, and a run is running"),
        (Run(last_write=201.0), {}, "written recently"),
        (Run(), {"spooled": [OLD]}, "spooled: MLflow has not accepted it yet"),
        (Run(artifacts={"mlflow_run_id": "a"}), {}, "logged in another MLflow store"),
    ],
)
def test_a_run_is_kept_because(reasons, run, facts, reason):
    assert reasons(run, **facts) == {OLD: reason}


@pytest.mark.parametrize(
    ("run", "facts"),
    [
        (Run(), {"is_writing": True}),
        (Run(finished=False, artifacts={"promoted": False}), {}),
        (Run(tags=["data:official", "mlflow:a", "verdict:ok", "champion:x", "training:x"]), {}),
        (Run(artifacts={"mlflow_run_id": "a"}), {"tracked": ["a"]}),
        (Run(artifacts={"mlflow_run_id": None, "challenge": None}), {}),
    ],
)
def test_a_run_that_nothing_needs_may_go(reasons, run, facts):
    assert reasons(run, **facts) == {}


def test_what_a_kept_run_needs_is_kept_with_what_that_needs(reasons):
    champion = SimpleNamespace(run=f"{TRAIN}/3")
    challenge = SimpleNamespace(monitor_run=f"{MONITOR}/5", champion=champion)
    runs = [
        Run(f"{TRAIN}/8", tags=["paper"], artifacts={"challenge": challenge}),
        Run(f"{TRAIN}/4"),
        Run(f"{TRAIN}/3", origins=["2"]),
        Run(f"{TRAIN}/2", origins=["1"]),
        Run(OLD),
        Run(f"{MONITOR}/6"),
        Run(f"{MONITOR}/5", artifacts={"champion_run": champion}),
    ]
    kept = reasons(*runs)
    assert set(kept) == {run.key for run in runs} - {f"{TRAIN}/4"}
    assert kept[f"{MONITOR}/5"] == f"monitor run of {TRAIN}/8"
    assert kept[f"{TRAIN}/3"].startswith("champion of ")
    assert kept[OLD] == f"origin of {TRAIN}/2"


def test_a_run_that_has_just_started_names_what_it_will_read(reasons):
    runs = [
        Run(f"{TRAIN}/8", tags=["paper"], artifacts={"monitor": f"{MONITOR}/5"}),
        Run(f"{MONITOR}/7"),
        Run(f"{MONITOR}/5", artifacts={"training_run": "1"}),
        Run(OLD),
    ]
    kept = reasons(*runs)
    assert kept[f"{MONITOR}/5"] == f"named by {TRAIN}/8"
    assert kept[OLD] == f"named by {MONITOR}/5"
