"""A study searched by real processes, on a real PostgreSQL and through a real proxy."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from fmnist_lib.config.loading import validate_settings
from fmnist_lib.data.dataset import load_dataset
from fmnist_lib.search.engines.shared_storage import open_storage
from fmnist_lib.search.engines.shared_study import end, repeated_trials
from fmnist_lib.search.execution.candidate import search_candidate
from fmnist_lib.workflows.search import candidate_job, prepare_search
from tests.ports import free_port
from tests.postgresql import INITDB, PostgreSQL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INITDB, reason="needs postgresql"),
]
STUDY = "FashionMnistTrain/17/o"
COMMAND = [sys.executable, "-m", "fmnist_lib", "study"]


@pytest.fixture(scope="module")
def postgresql():
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def start():
    """Return a function that starts a command of the group `study`; ended after the test."""
    started = []

    def run(*words):
        process = subprocess.Popen(
            [*COMMAND, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.fixture
def search(real_data_dir, cache, tmp_path):
    """Return a function that starts the search of a run in a thread."""

    def begin(address, run="17"):
        # More than there is time for: the tests end the search.
        candidate = {"id": "o", "engine": "optuna", "trials": 10_000}
        settings = validate_settings(
            {
                "data": {"rows": 2000, "directory": str(real_data_dir)},
                "search": {
                    "study_storage": address,
                    "heartbeat_seconds": 1,
                    "candidates": [candidate | {"families": ["neural"], "features": ["gradients"]}],
                },
            },
            "test",
        )
        dataset, _ = load_dataset(settings.data, tmp_path, settings.seed)
        budget = prepare_search(dataset, settings, cache)
        job = candidate_job("o", dataset, settings, budget, cache, f"FashionMnistTrain/{run}")
        return Search(job)

    return begin


class Search(threading.Thread):
    """The search of a run; `result` waits for its end."""

    def __init__(self, job):
        super().__init__(daemon=True)
        self.job, self.trials = job, 0
        self.start()

    def run(self):
        self._result = search_candidate(self.job, self._on_progress)

    def _on_progress(self, progress):
        self.trials = progress.trials

    def result(self):
        self.join(120)
        assert not self.is_alive()
        assert self._result.error is None
        assert self._result.stopped is None
        return self._result


def wait_for(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("timed out")


def trials_of(address, name=STUDY):
    return optuna.load_study(study_name=name, storage=open_storage(address)).trials


def running_on(address, process, name=STUDY):
    """Return the trials that a worker is running; its trials run in a child process."""
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return [
        trial
        for trial in trials_of(address, name)
        if trial.state == TrialState.RUNNING
        and trial.user_attrs.get("worker", "").rpartition(":")[2] in children
    ]


def finished_output(worker):
    """Wait for a worker that the end of the search should end."""
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, output
    return output


def end_after_repetition(address, name, abandoned):
    """Wait until a trial has been repeated, and end the search."""
    study = optuna.load_study(study_name=name, storage=open_storage(address))

    def repetition():
        number = repeated_trials(study.trials).get(abandoned.number)
        return number is not None and study.trials[number].state.is_finished()

    wait_for(repetition)
    end(study)


@pytest.mark.long
def test_a_killed_worker_a_late_one_and_a_restarted_database_lose_and_repeat_no_trial(
    postgresql, search, start, cache, fmnist
):
    address = postgresql.address
    run = search(address)
    wait_for(lambda: run.trials)
    work = ("work", STUDY, "--study-storage", address, "--cache", cache)
    killed, survivor = start(*work), start(*work)
    wait_for(lambda: running_on(address, survivor))
    (abandoned, *_) = wait_for(lambda: running_on(address, killed))
    os.killpg(killed.pid, signal.SIGKILL)
    postgresql.stop()
    time.sleep(2)
    postgresql.start()
    end_after_repetition(address, STUDY, abandoned)
    trials = run.result().trials
    assert "The search has ended" in finished_output(survivor)

    reason = trials.set_index("number").loc[abandoned.number, "reason"]
    assert reason.startswith("its worker died, tried again as trial ")
    assert trials["reason"].str.startswith("its worker died").sum() == 1
    assert trials["number"].is_unique
    assert len(set(trials["worker"])) == 3

    _, _, error = fmnist("study", *work)
    assert "expected a running study, found one that has ended" in error


@pytest.mark.parametrize("statement", [1, 2])
def test_a_call_whose_connection_is_lost_before_any_of_its_statements_is_repeated(
    postgresql, statement
):
    storage = open_storage(postgresql.address)
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    administrator = sqlalchemy.create_engine(postgresql.address, isolation_level="AUTOCOMMIT")
    executed = []

    def end_connection(_connection, cursor, *_):
        executed.append(cursor)
        if len(executed) == statement:
            query = f"SELECT pg_terminate_backend({cursor.connection.info.backend_pid}, 5000)"
            with administrator.connect() as other:
                assert other.execute(sqlalchemy.text(query)).scalar()

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", end_connection)
    assert len(study.trials) == 1
    assert len(executed) > statement
    executed.clear()
    trial.set_user_attr("a", 1)
    assert len(executed) > statement
    assert study.trials[0].user_attrs == {"a": 1}
    administrator.dispose()


@pytest.mark.long
def test_workers_behind_a_proxy_outlast_its_restart(postgresql, search, start, cache):
    pytest.importorskip("grpc")
    database, name, port = postgresql.address, "FashionMnistTrain/18/o", free_port()
    address = f"grpc://127.0.0.1:{port}"
    serve = ("proxy", "--study-storage", database, "--port", port)
    proxy = start(*serve)
    run = search(address, run="18")
    wait_for(lambda: run.trials)
    listed = start("list", "--study-storage", address)
    assert finished_output(listed).splitlines() == [name]
    killed = start("work", name, "--study-storage", address, "--cache", cache)
    (abandoned, *_) = wait_for(lambda: running_on(database, killed, name))
    os.killpg(killed.pid, signal.SIGKILL)
    os.killpg(proxy.pid, signal.SIGKILL)
    time.sleep(2)
    start(*serve)
    end_after_repetition(database, name, abandoned)
    trials = run.result().trials.set_index("number")
    assert trials.loc[abandoned.number, "reason"].startswith("its worker died, tried again as")
    assert trials["reason"].str.startswith("its worker died").sum() == 1


def test_a_server_that_is_away_is_one_message(fmnist):
    address = f"postgresql+psycopg2://tester@127.0.0.1:{free_port()}/postgres"
    code, _, error = fmnist("study", "work", STUDY, "--study-storage", address)
    assert code == 1
    assert "expected a database that can be used, got: connection to server" in error
