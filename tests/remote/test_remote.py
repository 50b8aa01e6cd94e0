"""A run whose steps have nothing but code package, S3, metadata service and secrets."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import zipfile

import numpy as np
import pytest

from tests.remote.conftest import PODS, QUICK, ROOT, TOOLS
from tests.remote.manifests import problems

pytestmark = pytest.mark.remote

#: Artifacts without times, dates, paths and names of runs: equal wherever a run runs.
SAME = {
    *("dataset", "candidates", "winner", "champion", "test_probabilities", "test_metrics"),
    *("reference", "held_back", "corrected_accuracy"),
}
HASHES = """
import json, sys
from metaflow import Run
run = Run(f"FashionMnistTrain/{sys.argv[1]}", _namespace_check=False)
assert run.successful
print(json.dumps({one.id: one.sha for one in run["publish"].task}))
"""
CARDS = """
import json, sys
from metaflow import Run
from metaflow.cards import get_cards
run = Run(f"FashionMnistTrain/{sys.argv[1]}", _namespace_check=False)
without = {"prepare", "examine"}
print(json.dumps({task.pathspec: [card.get() for card in get_cards(task)]
                  for step in run if step.id not in without for task in step}))
"""


def last_line(output):
    return json.loads(output.strip().splitlines()[-1])


def component_types(page):
    """Types of the components in a card's page, which has them as base64-encoded JSON."""
    for block in re.findall(r'"([A-Za-z0-9+/=]{200,})"', page):
        try:
            content = base64.b64decode(block).decode()
        except ValueError:
            continue
        if '"components"' in content:
            return set(re.findall(r'"type": ?"(\w+)"', content))
    raise AssertionError("no components in the card")


def test_every_card_is_readable(deployment, remote_run):
    cards = last_line(deployment.python("-c", CARDS, remote_run))
    # One of a step, but five of the search.
    assert len(cards) == 13
    for task, pages in cards.items():
        assert len(pages) == 1, task
        assert "error" not in component_types(pages[0]), task


def test_the_pages_and_the_comparison_of_runs_are_readable(deployment, remote_run):
    cards = ("-m", "cards")
    deployment.python(*cards, "page", remote_run, "--out", "page", PYTHONPATH=str(ROOT))
    pages = {path.stem for path in (deployment.directory / "page").glob("*.html")}
    assert {"index", "select", "search-optuna-kernel", "explain", "summary", "stress"} <= pages
    words = ("compare", remote_run, remote_run, "--out", "comparison.html")
    deployment.python(*cards, *words, PYTHONPATH=str(ROOT))
    assert "<html" in (deployment.directory / "comparison.html").read_text()


def test_the_bundle_has_the_source_of_the_checkout(deployment, remote_run):
    """The datastore has it, for its pod's disk is gone."""
    bundle = ROOT / "bundles" / f"FashionMnistTrain-{remote_run}.zip"
    bundle.unlink(missing_ok=True)
    script = (
        "import sys; from cards.client.run_results import bundle_of, read_run;"
        "print(bundle_of(read_run(f'FashionMnistTrain/{sys.argv[1]}')))"
    )
    deployment.python("-c", script, remote_run, PYTHONPATH=str(ROOT))
    command = ("-m", "fmnist_lib", "bundle", "verify", str(bundle))
    assert "unchanged" in deployment.python(*command, PYTHONPATH=str(ROOT))
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
    bundle.unlink()
    packed = ("flows/train.py", "requirements/runtime.txt", "config/train.toml", "pyproject.toml")
    assert {f"source/{name}" for name in packed} <= names


def test_mlflow_has_the_commit_that_the_package_was_made_from(deployment, remote_run):
    script = (
        "import sys; from metaflow import Run; from mlflow import MlflowClient;"
        "run = Run(f'FashionMnistTrain/{sys.argv[1]}', _namespace_check=False);"
        "tags = MlflowClient().get_run(run['publish'].task.data.mlflow_run_id).data.tags;"
        "print(tags['mlflow.source.git.commit'])"
    )
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert commit in deployment.python("-c", script, remote_run)


def test_a_run_is_resumed_on_the_cluster(deployment, remote_run):
    words = ("resume", "publish", "--origin-run-id", remote_run)
    started = len(deployment.cluster.pods)
    resumed = deployment.flow("train.py", *words, *PODS)
    # The steps before are cloned.
    assert len(deployment.cluster.pods) - started == 2
    before, after = (
        last_line(deployment.python("-c", HASHES, run)) for run in (remote_run, resumed)
    )
    assert {name: before[name] for name in SAME} == {name: after[name] for name in SAME}


def test_the_monitor_finds_the_champion_from_another_machine(
    deployment, remote_run, test_images, tmp_path
):
    np.save(tmp_path / "batch.npy", test_images[:500])
    words = ("run", "--batch", str(tmp_path / "batch.npy"), "--run", remote_run)
    run = deployment.flow("monitor.py", *words, *PODS)
    script = (
        "import sys; from metaflow import Run;"
        "run = Run(f'FashionMnistMonitor/{sys.argv[1]}', _namespace_check=False);"
        "print(sorted(run.tags))"
    )
    assert "'verdict:" in deployment.python("-c", script, run)


def test_manifests_are_valid_and_name_the_secret_only(deployment, remote_run):
    assert remote_run
    for pod in deployment.cluster.pods.values():
        assert not problems("V1Job", pod.job)
        assert "mlflow.db" not in json.dumps(pod.job)


def test_the_code_package_runs_in_a_bare_environment(deployment, remote_run, image, tmp_path):
    script = (
        "import sys; from metaflow import Run;"
        "Run(f'FashionMnistTrain/{sys.argv[1]}', _namespace_check=False)"
        ".code.tarball.extractall(sys.argv[2], filter='data')"
    )
    deployment.python("-c", script, remote_run, str(tmp_path))
    done = subprocess.run(
        [image / "bin" / "python", "checkout/flows/train.py", "--no-pylint", "show"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "METAFLOW_USER": "tester"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Step publish" in done.stdout + done.stderr


def test_the_workflow_templates_follow_argos_schema(deployment):
    """Hera's models are made from the OpenAPI schema that Argo publishes."""
    check = (
        "import sys; from hera.workflows.models import WorkflowTemplate;"
        "print(WorkflowTemplate.model_validate_json(sys.stdin.read()).kind)"
    )
    events = {
        f"METAFLOW_ARGO_EVENTS_{name}": "metaflow"
        for name in ("EVENT", "EVENT_SOURCE", "EVENT_BUS", "SERVICE_ACCOUNT")
    }
    events["METAFLOW_ARGO_EVENTS_WEBHOOK_URL"] = "http://127.0.0.1:9"
    for flow in ("train.py", "monitor.py"):
        compiled = deployment.python(
            str(ROOT / "flows" / flow),
            "--no-pylint",
            "--quiet",
            "argo-workflows",
            "create",
            "--only-json",
            **events,
        )
        template = compiled[compiled.index("{") :]
        done = subprocess.run(
            [TOOLS / "python", "-c", check],
            input=template,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == "WorkflowTemplate", done.stderr


def test_the_dockerfile_has_no_warnings():
    done = subprocess.run(
        [TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_artifacts_are_those_of_a_local_run(deployment, remote_run, real_data_dir):
    local = {"METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DEFAULT_METADATA": "local"}
    words = ("--config", "config", str(QUICK), "run", "--data-dir", str(real_data_dir))
    run = deployment.flow("train.py", *words, **local)
    here = last_line(deployment.python("-c", HASHES, run, **local))
    there = last_line(deployment.python("-c", HASHES, remote_run))
    assert {name: here[name] for name in SAME} == {name: there[name] for name in SAME}
    assert here.keys() == there.keys()
