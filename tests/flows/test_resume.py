from __future__ import annotations

import time

import numpy as np
import psutil
import pytest

pytestmark = pytest.mark.slow


def kill_task(process, step, *words):
    """Kill the first task of a step as soon as it shows up; returns its task id."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            if all(word in command for word in ("step", step, *words)):
                child.kill()
                return command[command.index("--task-id") + 1]
        time.sleep(0.02)
    raise AssertionError(f"no task of the step {step} was seen")


def test_a_killed_candidate_is_a_row_and_a_killed_step_resumes(
    project, finished, real_data_dir, latest_run
):
    """Two accidents in one run: a candidate's task is killed, and later the step `select`."""
    # One candidate after the other, on two threads: the bits must not depend on that.
    config = project.config("killed", ("[search]\n", "[search]\nworkers = 1\n"))
    options = ("--data-dir", str(real_data_dir), "--max-workers", "1")
    process = project.start("run", *options, config=config)
    kill_task(process, "search", "--split-index", "1")  # the baseline, by its share
    kill_task(process, "select")
    assert process.wait(timeout=180) == 1
    failed = latest_run()
    assert not failed.successful

    done = project.run("resume", config=None)
    assert done.returncode == 0, done.stdout + done.stderr
    resumed = latest_run()
    assert resumed.id != failed.id
    assert resumed.successful

    for task in resumed["search"]:
        assert task.metadata_dict["origin-run-id"] == failed.id  # not computed again
    table = resumed["select"].task.data.leaderboard.set_index("candidate")
    assert table.loc["baseline-logistic", "status"].startswith("failed: ")
    assert (table.drop(["baseline-logistic", "ensemble"])["status"].isin(["champion", "ok"])).all()

    # The champion is the one of a run with two workers that nothing happened to.
    images = finished["select"].task.data.dataset.test.images[:1000]
    expected, got = (
        run["select"].task.data.champion.predict_proba(images) for run in (finished, resumed)
    )
    np.testing.assert_array_equal(got, expected)
