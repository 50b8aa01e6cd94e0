"""Runs that are interrupted, fail and are resumed, more than once."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from metaflow.cards import get_cards

from cards.client.task_times import task_times

pytestmark = pytest.mark.slow


def wait_for_task(process, step, *words):
    """Wait for the first task of a step, and return its process and its id."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            if all(word in command for word in ("step", step, *words)):
                return child, command[command.index("--task-id") + 1]
        time.sleep(0.02)
    raise AssertionError(f"no task of the step {step} was seen")


def alive(processes):
    """Return those that still run; one that ended may still be a zombie."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def printed_command(project):
    """Return the command that a failed run printed, as arguments for `project.start`."""
    output = (project.directory / "output.txt").read_text()
    (line,) = re.findall(r"To continue, once the cause is fixed: (.*)", output)
    python, flow, *arguments = shlex.split(line)
    assert (python, flow) == ("python", str(project.flow))
    return arguments


def test_a_run_that_is_ended_then_fails_is_resumed_from_its_last_attempt(
    project, finished, real_data_dir, latest_run, card_content
):
    """SIGTERM in mid-search; resumed, a candidate and `select` are killed; resumed again."""
    # One candidate after the other, on two threads: the bits must not depend on that.
    config = project.config("killed", ("[search]\n", "[search]\nworkers = 1\n"))
    options = ("--data-dir", str(real_data_dir), "--max-workers", "1")
    process = project.start("run", *options, config=config)
    # The first task only shows the others, and ends soon: none can run beside it.
    task, _ = wait_for_task(process, "search", "--split-index", "1")
    search = wait_for_search(task)
    everything = psutil.Process(process.pid).children(recursive=True)
    assert search in everything  # in its own session, and ended all the same
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) == 128 + signal.SIGTERM
    assert not alive(everything)
    interrupted = latest_run()

    arguments = printed_command(project)
    assert arguments == ["resume", "--origin-run-id", interrupted.id]
    process = project.start(*arguments, "--max-workers", "1", config=None)
    wait_for_task(process, "search", "--split-index", "2")[0].kill()  # the baseline, by its share
    wait_for_task(process, "select")[0].kill()
    assert process.wait(timeout=400) == 1
    failed = latest_run()
    assert not failed.successful

    # It would search again, for the candidate that died; without "search" the rest is enough.
    assert printed_command(project) == ["resume", "search", "--origin-run-id", failed.id]
    again = ("resume", "--origin-run-id", failed.id)
    assert project.start(*again, config=None).wait(timeout=400) == 0
    resumed = latest_run()
    assert len({interrupted.id, failed.id, resumed.id}) == 3
    assert resumed.successful
    assert {"data:official", f"mlflow:{resumed['end'].task.data.mlflow_run_id}"} <= resumed.tags

    assert all(is_cloned(task) for task in resumed["search"])  # not computed again
    table = resumed["select"].task.data.leaderboard.set_index("candidate")
    assert table.loc["baseline-logistic", "status"].startswith("failed: ")
    assert (table.drop(["baseline-logistic", "ensemble"])["status"].isin(["winner", "ok"])).all()

    # The budget began again when the run was resumed; the features before count as well.
    duration = (resumed.finished_at - resumed.created_at).total_seconds()
    assert resumed["select"].task.data.spent.seconds < duration + 20

    # The timeline has only what ran after it was resumed.
    (card,) = get_cards(resumed["end"].task, id="timeline")
    content = str(card_content(card))
    assert f"taken over from the run {failed.id}" in content
    assert "Search and refit" not in content
    times = {one.step for one in task_times(resumed)}
    assert times >= {"select", "publish", "end"}
    assert times.isdisjoint({"start", "search"})

    # The winner is that of an uninterrupted run with two workers.
    assert_same_winner(resumed, finished)


@pytest.mark.long
def test_a_run_killed_in_mid_search_is_resumed_to_the_same_winner(
    project, finished, real_data_dir, latest_run, card_content
):
    """SIGKILL of the scheduler, the tasks and the searches' own processes, then `resume`."""
    options = ("--data-dir", str(real_data_dir))
    process = project.start("run", *options, config=project.config("sigkill"))
    task, _ = wait_for_task(process, "search", "--split-index", "3")  # the last: one has finished
    search = wait_for_search(task, busy_seconds=1.5)
    everything = [
        psutil.Process(process.pid),
        *psutil.Process(process.pid).children(recursive=True),
    ]
    assert search in everything
    for one in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(timeout=15)
    psutil.wait_procs(everything, timeout=15)
    assert not alive(everything)
    killed = latest_run()

    assert project.start("resume", config=None).wait(timeout=400) == 0
    resumed = latest_run()
    assert resumed.successful
    # Only the candidates that had finished were not searched again.
    cloned = {task.data.candidate for task in resumed["search"] if is_cloned(task)}
    assert cloned == {task.data.candidate for task in killed["search"] if "result" in task}
    assert "baseline-logistic" in cloned
    (overview,) = [task for task in resumed["search"] if "candidate" not in task]
    content = str(card_content(get_cards(overview, id="candidate")[0]))
    assert "finished earlier" in content
    assert "3 of 3 ended" in content
    assert "optuna-kernel" not in cloned
    assert_same_winner(resumed, finished)


def wait_for_search(task, busy_seconds=0.0):
    """Wait until the process of a candidate's search has used so much processor time."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in task.children():
            with contextlib.suppress(psutil.Error):  # a child of the task that has just ended
                searches = "fmnist_lib.search.execution.isolated" in child.cmdline()
                if searches and child.cpu_times().user >= busy_seconds:
                    return child
        time.sleep(0.02)
    raise AssertionError("no search was seen")


def is_cloned(task):
    """True if a resumed run took a task's results from the run before."""
    return "origin-task-id" in task.metadata_dict


def assert_same_winner(run, expected):
    """Compare the winners of two runs: candidate, and every bit of the probabilities."""
    got, wanted = (one["select"].task.data for one in (run, expected))
    names = [data.leaderboard["candidate"].iloc[0] for data in (got, wanted)]
    assert names[0] == names[1]
    images = wanted.dataset.test.images[:1000]
    np.testing.assert_array_equal(
        got.winner.predict_proba(images), wanted.winner.predict_proba(images)
    )


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_no_process_outlives_a_run_that_is_ended(project, real_data_dir, number):
    process = project.start("run", "--data-dir", str(real_data_dir), config=project.config("ended"))
    wait_for_task(process, "start")
    everything = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(timeout=15) == 128 + number
    assert not alive(everything)


def test_signals_that_the_user_has_ignored_stay_ignored(project):
    """Ignore SIGHUP, as under nohup."""
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from scheduler import command_line\n"
        "with command_line(['train.py', 'run']):\n"
        "    print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.flow.parent,
        env=project.environment | {"PYTHONPATH": str(project.flow.parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"
