"""The deployed form: both flows become Argo workflows, without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

FLOWS = Path(__file__).resolve().parents[2] / "flows"


def compiled(flow, environment):
    """Return the workflow template of a flow."""
    options = ["--no-pylint", "--datastore", "s3", "argo-workflows", "create", "--only-json"]
    done = subprocess.run(
        [sys.executable, str(FLOWS / flow), *options],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def steps(template):
    """Names of the steps that a workflow can take."""
    return {
        task["name"]
        for one in template["spec"]["templates"]
        for task in one.get("dag", {}).get("tasks", [])
    }


def test_the_monitor_runs_every_day(argo_environment):
    template = compiled("monitor.py", argo_environment)
    assert template["kind"] == "WorkflowTemplate"
    assert json.loads(template["metadata"]["annotations"]["metaflow/cron"])["schedule"]
    assert {"start", "assess", "retrain", "end"} <= steps(template)


def test_training_is_triggered_by_the_monitors_end(argo_environment):
    template = compiled("train.py", argo_environment)
    triggers = template["metadata"]["annotations"]["metaflow/triggers"]
    assert "FashionMnistMonitor" in str(triggers)
    assert {"start", "eda", "publish", "end"} <= steps(template)
