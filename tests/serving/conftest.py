"""A stored model, and the servers that serve it on a local port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.serving.mlflow_model import write_mlflow_model
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
#: MLflow starts uvicorn by name, which an activated environment has on its path.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture(scope="session")
def model_directory(small_pipeline, train_images, test_images, test_labels, tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    probabilities = small_pipeline.predict_proba(test_images)
    reference = HeldOutReference.fit(train_images, test_images, test_labels, probabilities)
    conformal = sorted_by_class(probabilities, test_labels)
    saved = save_model(
        small_pipeline, test_images[:20], directory / "model", reference, conformal=conformal
    )
    return write_mlflow_model(saved, small_pipeline, test_images, directory / "mlflow").directory


def _start(*command):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": PATH},
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(1200):
        try:
            if requests.get(f"{address}/ping", timeout=1).ok:
                return process, address
        except requests.RequestException:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def _stop(process):
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


@pytest.fixture(scope="session")
def server(model_directory):
    process, address = _start("fmnist_lib", "serve", "--model", str(model_directory))
    yield address
    assert process.poll() is None, "the server died"
    _stop(process)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.fixture(scope="session")
def mlflow_server(model_directory):
    process, address = _start(
        *("mlflow", "models", "serve", "--model-uri", str(model_directory)),
        *("--env-manager", "local"),
    )
    yield address
    assert process.poll() is None, "the server died"
    _stop(process)
