"""S3, Kubernetes and a metadata service on this machine, and a run on them: make test-remote."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from fmnist_lib.common.paths import sqlite_address
from tests.ports import free_port
from tests.remote.cluster import Cluster
from tests.remote.metadata_service import MetadataService

ROOT = Path(__file__).resolve().parents[2]
QUICK = ROOT / "config" / "quick.toml"
TOOLS = ROOT / ".venv-remote" / "bin"
#: Every step on the cluster.
PODS = ("--with", "kubernetes:image=fmnist-flow", "--max-workers", "3")


def pytest_ignore_collect(config):
    """Leave these tests out unless they are asked for: they take ten minutes or more."""
    return True if config.getoption("markexpr") != "remote" else None


@dataclass
class Deployment:
    """A user's machine, from which runs are started on the cluster.

    Attributes
    ----------
    directory : Path
        Home and working directory of the user, outside the checkout.
    environment : dict
        Variables of the user's commands.
    cluster : Cluster
    """

    directory: Path
    environment: dict[str, str]
    cluster: Cluster
    outputs: list[str] = field(default_factory=list)

    def python(self, *words: str, **more: str) -> str:
        """Run a Python command that has to succeed; return its output."""
        done = subprocess.run(
            [sys.executable, *words],
            env=self.environment | more,
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.outputs.append(done.stdout)
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout

    def flow(self, name: str, *words: str, **more: str) -> str:
        """Run a command of a flow; return the id of the run, if it started one."""
        output = self.python(str(ROOT / "flows" / name), "--no-pylint", *words, **more)
        started = re.search(r"run-id (\d+)", output)
        return started[1] if started else ""


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """Environment that the Dockerfile makes: its `RUN` line with pip, in another directory.

    REMOTE_IMAGE names one that was made before.
    """
    if made := os.environ.get("REMOTE_IMAGE"):
        return Path(made)
    opt = tmp_path_factory.mktemp("opt")
    (opt / "runtime.txt").write_bytes((ROOT / "requirements" / "runtime.txt").read_bytes())
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    (line,) = re.findall(r"^RUN (.*pip install.*)$", dockerfile, re.MULTILINE)
    subprocess.run(["bash", "-euc", line.replace("/opt", str(opt))], check=True)
    return opt / "venv"


@pytest.fixture(scope="session")
def s3():
    """Address of moto's S3 with an empty bucket."""
    port = free_port()
    words = [str(TOOLS / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            requests.put(f"{address}/bucket", timeout=5).raise_for_status()
            break
        except requests.RequestException:
            time.sleep(0.2)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def deployment(s3, image, tmp_path_factory):
    base = tmp_path_factory.mktemp("remote")
    home = base / "home"
    home.mkdir()
    store = {
        "METAFLOW_S3_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }
    # A database stands for the tracking server: its address reaches the pods as a secret.
    tracking = {"MLFLOW_TRACKING_URI": sqlite_address(base / "tracking" / "mlflow.db")}
    cluster = Cluster(base / "pods", image, store, {"mlflow": tracking})
    service = MetadataService()
    environment = (
        store
        | tracking
        | {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "METAFLOW_USER": "tester",
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DATASTORE_SYSROOT_S3": "s3://bucket/metaflow",
            "METAFLOW_DEFAULT_METADATA": "service",
            "METAFLOW_SERVICE_URL": service.url,
            "METAFLOW_KUBERNETES_SECRETS": "mlflow",
            "METAFLOW_KUBERNETES_FETCH_EC2_METADATA": "",
            "KUBECONFIG": str(cluster.kubeconfig(base / "kubeconfig")),
        }
    )
    yield Deployment(home, environment, cluster)
    cluster.stop()
    service.shutdown()


@pytest.fixture(scope="session")
def remote_run(deployment, real_data_dir):
    """Id of a quick run with every step on the cluster.

    The path of the data stands for a volume that the pods mount.
    """
    quick = ("--config", "config", str(QUICK))
    return deployment.flow("train.py", *quick, "run", "--data-dir", str(real_data_dir), *PODS)
