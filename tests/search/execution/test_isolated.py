from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.search.execution.isolated import run_isolated


def add(numbers, send):
    for number in numbers:
        send(number)
    return sum(numbers)


def fail(_, __):
    raise ValueError("broken")


def niceness(_, __):
    session = Path("/proc/self/autogroup")
    return os.nice(0), session.read_text() if os.access(session, os.W_OK) else ""


def kill_itself(_, __):
    os.kill(os.getpid(), signal.SIGSEGV)


def write_and_exit(_, __):
    print("a native library gave up", flush=True)  # noqa: T201
    os._exit(3)


def flood_and_exit(_, __):
    for _ in range(200):
        os.write(1, b"x" * 2**20)
    print("\nenough", flush=True)  # noqa: T201
    os._exit(3)


def warn(_, __):
    logging.getLogger("fmnist_lib.search").warning("%s was left out", Path("a file"))
    logging.getLogger("some.library").warning("noise")


def hold_the_gil(_, send):
    send(os.getpid())
    sum(range(10**12))


def sleep(_, send):
    send(os.getpid())
    time.sleep(600)


def thread_limits(_, send):
    from fmnist_lib.features.chunks import available_threads

    before = available_threads()
    deadline = time.monotonic() + 20
    while available_threads() == before and time.monotonic() < deadline:
        send(before)
        time.sleep(0.05)
    return os.environ["OMP_NUM_THREADS"], before, available_threads()


@pytest.fixture
def call():
    def run(
        function, argument=None, on_message=lambda _: None, overdue=lambda: None, threads=lambda: 1
    ):
        return run_isolated(function, argument, on_message, overdue, threads)

    return run


def test_messages_and_the_result_come_back(call):
    received = []
    assert call(add, [1, 2, 3], received.append).result == 6
    assert received == [1, 2, 3]


def test_warnings_of_this_project_come_back(call, caplog):
    received = []
    assert call(warn, None, received.append).error is None
    assert caplog.messages == ["a file was left out"]
    assert received == []


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (fail, "ValueError: broken"),
        (kill_itself, "killed by SIGSEGV"),
        (write_and_exit, "ended with exit code 3: a native library gave up"),
    ],
)
def test_every_failure_is_a_reason(call, function, error):
    assert call(function).error == error


def test_a_limit_that_changes_as_the_process_ends_does_not_lose_the_outcome():
    """The outcome waits in the connection when the new limit cannot be sent any more."""
    changes = iter([1, 2])

    def threads():
        limit = next(changes, 2)
        if limit == 2:
            deadline = time.monotonic() + 20
            while any(one.status() != psutil.STATUS_ZOMBIE for one in psutil.Process().children()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        return limit

    outcome = run_isolated(add, [1, 2, 3], [].append, lambda: None, threads)
    assert outcome.result == 6, outcome.error


def test_a_search_gives_way_to_what_shows_its_progress(call):
    process, session = call(niceness).result
    assert process == min(os.nice(0) + 5, 19)
    assert not session or session.strip().endswith("nice 5")  # empty without autogroups


def test_any_amount_of_output_is_read_and_only_its_end_is_kept(call):
    before = psutil.Process().memory_info().rss
    assert call(flood_and_exit).error == "ended with exit code 3: enough"
    assert psutil.Process().memory_info().rss < before + 50 * 2**20


def test_a_process_that_ignores_its_limit_is_killed(call):
    started = []
    outcome = call(hold_the_gil, None, started.append, lambda: "too late" if started else None)
    assert outcome.error == "too late"
    assert not psutil.pid_exists(started[0])


@pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="needs two cores")
def test_the_last_process_gets_all_cores(call):
    received = []
    libraries, before, after = call(
        thread_limits, None, received.append, threads=lambda: 2 if received else 1
    ).result
    assert (libraries, before, after) == ("1", 1, 2)


def test_a_process_ends_with_its_parent():
    code = (
        "import test_isolated as t\n"
        "t.run_isolated(t.sleep, None, lambda pid: print(pid, flush=True), lambda: None, "
        "lambda: 1)"
    )
    environment = os.environ | {"PYTHONPATH": f"{PROJECT_ROOT}:{Path(__file__).parent}"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()
