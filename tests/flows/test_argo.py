"""The deployed form: both flows become Argo workflows, without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

FLOWS = Path(__file__).resolve().parents[2] / "flows"


class Store(BaseHTTPRequestHandler):
    """As much of S3 as the upload of a code package needs."""

    def do_HEAD(self):
        self.send_error(404)

    def do_PUT(self):
        self.server.uploads.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    server.uploads = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    home = tmp_path_factory.mktemp("argo")
    yield {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "METAFLOW_HOME": str(home),
        "METAFLOW_USER": "tester",
        "METAFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "METAFLOW_DATASTORE_SYSROOT_S3": "s3://bucket/metaflow",
        "METAFLOW_ARGO_EVENTS_EVENT": "metaflow",
        "METAFLOW_ARGO_EVENTS_EVENT_SOURCE": "webhook",
        "METAFLOW_ARGO_EVENTS_EVENT_BUS": "default",
        "METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT": "argo",
        "METAFLOW_ARGO_EVENTS_WEBHOOK_URL": "http://127.0.0.1:9",
    }
    server.shutdown()
    server.server_close()


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


def test_the_monitor_runs_every_day(environment):
    template = compiled("monitor.py", environment)
    assert template["kind"] == "WorkflowTemplate"
    assert json.loads(template["metadata"]["annotations"]["metaflow/cron"])["schedule"]
    assert {"start", "assess", "retrain", "end"} <= steps(template)


def test_training_is_triggered_by_the_monitors_end(environment):
    template = compiled("train.py", environment)
    triggers = template["metadata"]["annotations"]["metaflow/triggers"]
    assert "FashionMnistMonitor" in str(triggers)
    assert {"start", "eda", "publish", "end"} <= steps(template)
