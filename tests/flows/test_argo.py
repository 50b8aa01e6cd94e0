"""The deployed form: both flows become Argo workflows, without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.remote.manifests import problems

pytest.importorskip("kubernetes")

FLOWS = Path(__file__).resolve().parents[2] / "flows"


def run(flow, environment, *words):
    return subprocess.run(
        [sys.executable, str(FLOWS / flow), "--no-pylint", *words],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        check=False,
    )


def compiled(flow, environment, *options):
    """Return the workflow template of a flow."""
    words = ("--datastore", "s3", "argo-workflows", "create", "--only-json")
    done = run(flow, environment, *options, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def steps(template):
    """Names of the steps that a workflow can take."""
    return {
        task["name"]
        for one in template["spec"]["templates"]
        for task in one.get("dag", {}).get("tasks", [])
    }


def pods(template):
    """Containers of the steps, by step as Kubernetes spells it, with their retry strategy."""
    return {
        one["name"]: (one["container"], one.get("retryStrategy"))
        for one in template["spec"]["templates"]
        if "container" in one and not one["name"].endswith("hook")
    }


@pytest.fixture(scope="module")
def training(argo_environment, tmp_path_factory):
    """The training flow with more memory for the search, and a secret."""
    config = tmp_path_factory.mktemp("argo") / "train.toml"
    text = (FLOWS.parent / "config" / "quick.toml").read_text()
    config.write_text(text + "\n[remote.resources.search]\ncpu = 2\nmemory = 9000\n")
    secret = {"METAFLOW_KUBERNETES_SECRETS": "mlflow"}
    options = ("--config", "config", str(config))
    return compiled("train.py", argo_environment | secret, *options)


@pytest.fixture(scope="module")
def monitoring(argo_environment):
    return compiled("monitor.py", argo_environment)


def test_the_monitor_runs_every_day(monitoring):
    assert monitoring["kind"] == "WorkflowTemplate"
    assert json.loads(monitoring["metadata"]["annotations"]["metaflow/cron"])["schedule"]
    assert {"start", "assess", "retrain", "end"} <= steps(monitoring)


def test_training_is_triggered_by_the_monitors_end(training):
    triggers = training["metadata"]["annotations"]["metaflow/triggers"]
    assert "FashionMnistMonitor" in str(triggers)
    assert {"start", "eda", "publish", "end"} <= steps(training)


def test_every_container_is_valid_for_kubernetes(training, monitoring):
    for template in (training, monitoring):
        for container, _ in pods(template).values():
            assert not problems("V1Container", container)


def test_resources_are_those_of_the_configuration(training):
    from kubernetes.utils import parse_quantity

    def requested(step):
        amounts = pods(training)[step][0]["resources"]["requests"]
        return parse_quantity(amounts["cpu"]), parse_quantity(amounts["memory"]) / 10**6

    assert requested("search") == (2, 9000)
    assert requested("eda") == (1, 4096)


def test_only_steps_that_may_be_repeated_are_retried(training, monitoring):
    once = {name for name, (_, retry) in pods(training).items() if retry is None}
    assert once == {"select", "publish"}
    once = {name for name, (_, retry) in pods(monitoring).items() if retry is None}
    assert once == {"assess", "retrain"}


def test_secrets_are_given_by_name(training):
    for container, _ in pods(training).values():
        assert [one["secretRef"]["name"] for one in container["envFrom"]] == ["mlflow"]


@pytest.mark.parametrize("scheduler", ["airflow", "step-functions"])
def test_other_schedulers_are_refused(scheduler, argo_environment):
    done = run("monitor.py", argo_environment, "--datastore", "s3", scheduler, "create", "x.py")
    assert done.returncode == 1
    assert "expected argo-workflows, as Metaflow" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_resources_of_an_unknown_step_are_an_error(argo_environment, tmp_path):
    config = tmp_path / "train.toml"
    text = (FLOWS.parent / "config" / "quick.toml").read_text()
    config.write_text(text + "\n[remote.resources.serach]\ncpu = 2\n")
    done = run("train.py", argo_environment, "--config", "config", str(config), "show")
    assert done.returncode == 1
    assert "remote.resources.serach: expected a step of the flow" in done.stdout + done.stderr
