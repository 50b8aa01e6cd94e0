from __future__ import annotations

import dataclasses
import os
import pickle
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from fmnist_lib.config.search import BaselineCandidate, OptunaCandidate, TpotCandidate
from fmnist_lib.search.execution import supervisor, worker
from fmnist_lib.search.execution.job import Job
from fmnist_lib.search.execution.race import Race
from fmnist_lib.search.execution.supervisor import supervise

BASELINE = BaselineCandidate(id="b", engine="baseline", strategy="logistic")


def _kill(_):
    os.kill(psutil.Process().children()[0].pid, signal.SIGKILL)


@pytest.fixture
def job(data, cache):
    def make(candidate, seconds=60.0, data=data):
        return Job(candidate, data, seconds, seed=5, cache=cache)

    return make


def test_optuna_finds_something_better_than_the_baseline(job, data):
    candidate = OptunaCandidate(
        id="o", engine="optuna", families=("logistic",), features=("gradients",), trials=4, rows=900
    )
    reports = []
    result = supervise(job(candidate), 1, reports.append)
    baseline = supervise(job(BASELINE), 1)
    assert result.error is None
    assert result.validation_accuracy.value > baseline.validation_accuracy.value
    assert result.pipeline.score(
        data.images[data.validation_rows], data.labels[data.validation_rows]
    ) == pytest.approx(result.validation_accuracy.value)
    assert reports[-1].phase == "refitting"
    assert result.trial_accuracy == result.trials["value"].max()
    assert result.fit_seconds > 0
    assert result.model_mb > 0


def test_tpot_evolves_a_pipeline_that_takes_raw_images(job):
    candidate = TpotCandidate(
        id="t", engine="tpot", rows=500, components=20, population=4, generations=1
    )
    reports = []
    result = supervise(job(candidate, seconds=120), 1, reports.append)
    assert result.error is None
    assert result.validation_accuracy.value > 0.6
    assert len(result.trials) >= 4
    assert {"complete", "failed", "skipped"} >= set(result.trials["state"])
    assert result.trials.loc[result.trials["state"] != "complete", "reason"].notna().all()
    assert max(report.trials for report in reports) >= 2
    assert all(isinstance(v, bool | int | float | str | None) for v in result.params.values())


def test_a_candidate_that_raises_becomes_a_reason(job, data):
    broken = dataclasses.replace(data, labels=data.labels[:10])
    result = supervise(job(BASELINE, data=broken), 1)
    assert result.failed
    assert result.error.startswith("ValueError: ")
    assert result.pipeline is None


def test_a_candidate_out_of_time_is_killed(job, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.0)
    start = time.monotonic()
    result = supervise(job(BASELINE, seconds=0.5), 1)
    assert result.error == "timed out after 1 s while starting"
    assert time.monotonic() - start < 5
    assert not psutil.Process().children()


def test_a_killed_candidate_is_named_as_such(job):
    result = supervise(job(BASELINE), 1, _kill)
    assert result.error == "killed by SIGKILL"


@pytest.fixture
def entrants(tmp_path):
    """Two candidates of a race of 20 s; the second is on its way."""
    shares = {"t": 1.0, "other": 1.0}
    first, second = (Race(tmp_path, name, shares, 20.0, 2) for name in shares)
    second.start()
    return first, second


def test_who_comes_too_late_says_so_and_leaves_the_processors_to_others(job, entrants, monkeypatch):
    monkeypatch.setattr(supervisor.subprocess, "Popen", None)  # no process for it
    race, other = entrants
    late = job(TpotCandidate(id="t", engine="tpot"))
    result = supervise(dataclasses.replace(late, race=race), 1)
    assert re.match(r"\d+ s of the search were left .* at least 25", result.error)
    assert other.alone


def test_who_dies_leaves_the_processors_to_others(job, entrants):
    race, other = entrants
    assert supervise(dataclasses.replace(job(BASELINE), race=race), 1, _kill).failed
    assert other.alone


def test_who_does_not_lead_is_ended_when_the_leader_would_have_to_wait(job, entrants, monkeypatch):
    race, leader = entrants
    leader.post(0.9, refit=30.0)
    endless = OptunaCandidate(
        id="t", engine="optuna", families=("neural",), trials=10_000, rows=900
    )
    monkeypatch.setattr(Job, "is_bounded_by_trials", False)
    result = supervise(dataclasses.replace(job(endless), race=race), 1)
    seconds = int(re.search(r"timed out after (\d+) s", result.error)[1])
    assert seconds < 20  # of 60 it would have had


def test_threads_are_limited_to_what_was_asked_for(job, monkeypatch):
    seen = {}
    original = supervisor.subprocess.Popen

    def popen(*arguments, **options):
        seen.update(options["env"])
        return original(*arguments, **options)

    monkeypatch.setattr(supervisor.subprocess, "Popen", popen)
    supervise(job(BASELINE), 3)
    assert seen["FMNIST_THREADS"] == "3"
    assert seen["OMP_NUM_THREADS"] == seen["OPENBLAS_NUM_THREADS"] == "1"


def test_a_search_that_is_cut_off_gives_its_best_so_far(job):
    candidate = OptunaCandidate(
        id="o", engine="optuna", families=("logistic",), features=("gradients",), trials=10_000
    )

    reports = []

    def kill(progress):
        reports.append(progress)
        if progress.phase == "searching" and progress.trials == 3:
            _kill(progress)

    result = supervise(job(candidate), 1, kill)
    assert result.error is None
    assert result.validation_accuracy.value > 0.6
    assert result.search_seconds > 0.1  # of the process that searched, not of the one that fitted
    seconds = [report.seconds for report in reports]
    assert seconds == sorted(seconds)


def test_an_evolution_that_overruns_ends_its_process_whatever_it_does():
    code = """
from fmnist_lib.search.engines.tpot_engine import _hard_limit
with _hard_limit(0.1):
    sum(range(10**12))  # never lets go of the interpreter
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=supervisor.PROJECT_ROOT, check=False)
    assert ended.returncode == -signal.SIGALRM


def test_a_candidate_ends_when_its_task_has_gone(job, tmp_path):
    endless = OptunaCandidate(
        id="o", engine="optuna", families=("neural",), trials=10_000, rows=900
    )
    (tmp_path / worker.JOB).write_bytes(pickle.dumps(job(endless, seconds=9999)))
    command = [sys.executable, "-m", "fmnist_lib.search.execution.worker", str(tmp_path)]
    code = f"import subprocess; p = subprocess.Popen({command}); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=supervisor.PROJECT_ROOT
    ) as task:
        candidate = psutil.Process(int(task.stdout.readline()))
        deadline = time.monotonic() + 60
        while not (tmp_path / worker.PROGRESS).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert candidate.is_running()
        task.kill()
    psutil.wait_procs([candidate], timeout=10)
    assert not candidate.is_running()
