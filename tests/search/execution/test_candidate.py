from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import time
from types import SimpleNamespace

import psutil
import pytest

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.search import BaselineCandidate, OptunaCandidate, TpotCandidate
from fmnist_lib.search.engines.job import Job
from fmnist_lib.search.execution import candidate
from fmnist_lib.search.execution.budget import plan_budget
from fmnist_lib.search.execution.candidate import search_candidate

BASELINE = BaselineCandidate(id="b", engine="baseline", strategy="logistic")


def searches():
    """Return the processes that search; other tests' helpers may be children of this one too."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # a child that has just ended
            if "fmnist_lib.search.execution.isolated" in child.cmdline():
                found.append(child)
    return found


def kill_child(_):
    os.kill(searches()[0].pid, signal.SIGKILL)


def optuna(**values):
    values = {"families": ("logistic",), "features": ("gradients",), "rows": 900} | values
    return OptunaCandidate(id="o", engine="optuna", **values)


@pytest.fixture
def job(data, cache):
    def make(candidate, seconds=None, **values):
        if seconds is not None:
            values["deadline"] = time.time() + seconds
        return Job(candidate, data, seed=5, cache=cache, **values)

    return make


def test_optuna_finds_something_better_than_the_baseline(job, data):
    reports = []
    result = search_candidate(job(optuna(trials=4)), reports.append)
    baseline = search_candidate(job(BASELINE))
    assert result.error is None
    assert result.stopped is None
    assert result.validation_accuracy.value > baseline.validation_accuracy.value
    assert result.pipeline.score(
        data.images[data.validation_rows], data.labels[data.validation_rows]
    ) == pytest.approx(result.validation_accuracy.value)
    assert reports[-1].phase == "refitting"
    assert result.trial_accuracy == result.trials["value"].max()


def test_tpot_evolves_a_pipeline_that_takes_raw_images(job):
    tpot = TpotCandidate(
        id="t", engine="tpot", rows=500, components=20, population=4, generations=1
    )
    reports = []
    result = search_candidate(job(tpot), reports.append)
    assert result.error is None
    assert result.validation_accuracy.value > 0.6
    assert len(result.trials) >= 4
    assert result.trials.loc[result.trials["state"] != "complete", "reason"].notna().all()
    assert max(report.trials for report in reports) >= 2
    assert all(isinstance(v, bool | int | float | str | None) for v in result.params.values())


def test_a_failure_is_a_result_with_the_reason(job, data):
    broken = dataclasses.replace(data, labels=data.labels[:10])
    result = search_candidate(dataclasses.replace(job(BASELINE), data=broken))
    assert result.error.startswith("ValueError: ")
    assert search_candidate(job(BASELINE), kill_child).error == "killed by SIGKILL"


def test_a_search_that_hangs_is_killed_and_gives_its_best_so_far(job):
    def stop(progress):
        if progress.phase == "searching" and progress.trials:
            searches()[0].suspend()

    result = search_candidate(job(optuna(), seconds=9), stop)
    assert re.match(r"cut off: timed out after \d+ s while searching", result.stopped)
    assert result.error is None
    assert not searches()


def test_a_search_without_a_deadline_that_hangs_is_killed_and_gives_its_best_so_far(
    job, monkeypatch
):
    passed = []
    clock = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + sum(passed))
    monkeypatch.setattr(candidate, "time", clock)

    def hang_for_an_hour(progress):
        if progress.phase == "searching" and progress.trials and not passed:
            searches()[0].suspend()
            passed.append(3601)

    result = search_candidate(job(optuna(trials=10_000), hang_seconds=3600), hang_for_an_hour)
    assert result.error is None
    assert result.stopped == (
        "cut off: hung: it finished nothing in 60 minutes while searching. Raise "
        "search.hang_minutes if a single fit takes that long"
    )
    assert not searches()


def test_beside_searches_bounded_by_trials_a_baseline_has_no_deadline(data, cache):
    for file, is_bounded in (("quick.toml", True), ("train.toml", False)):
        settings = read_settings(PROJECT_ROOT / "config" / file)
        budget = plan_budget(settings.search, cores=2)
        for one in settings.search.candidates:
            if one.engine != "ensemble":
                job = candidate.make_job(settings, one.id, data, budget, cache)
                assert job.is_bounded_by_time is not is_bounded, one.id
                assert job.hang_seconds == 3600


def test_a_candidate_without_time_does_not_start(job):
    result = search_candidate(job(TpotCandidate(id="t", engine="tpot"), seconds=3))
    assert re.match(r"\d s of the search were left .* at least 25", result.error)


def test_a_search_that_is_killed_gives_its_best_so_far_and_says_so(job):
    def kill_third(progress):
        if progress.phase == "searching" and progress.trials == 3:
            kill_child(progress)

    result = search_candidate(job(optuna(trials=10_000)), kill_third)
    assert result.error is None
    assert result.validation_accuracy.value > 0.6
    assert result.stopped == "cut off: killed by SIGKILL"
    assert result.search_seconds > 0


def test_a_search_bounded_by_time_says_that_its_time_was_up(job):
    start = time.monotonic()
    result = search_candidate(job(optuna(), seconds=15))
    assert result.stopped == "its time was up"
    assert time.monotonic() - start < 18
