"""Fixtures that every test folder shares: the first rows of the official files."""

from __future__ import annotations

import atexit
import gzip
import os
import pickle
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Before NumPy is imported: two test runs side by side must not fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Before Metaflow is imported: the tests' runs are kept apart from the user's.
METAFLOW_HOME = Path(tempfile.mkdtemp(prefix="fmnist-flow-tests-"))
os.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"] = str(METAFLOW_HOME)
os.environ["METAFLOW_USER"] = "tester"
atexit.register(shutil.rmtree, METAFLOW_HOME, ignore_errors=True)

import numpy as np
import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[1]


def pytest_itemcollected(item) -> None:
    """Mark the tests that need the run of `tests/flows`, so that one process has them all."""
    if "finished" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.shares_run)


@pytest.fixture(scope="session")
def metaflow_home() -> Path:
    """Directory that holds the datastore of the flows run by tests."""
    return METAFLOW_HOME


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Directory with the four official files, where a run would find them without a download."""
    from fmnist_lib.data.verified_files import default_cache

    named = os.environ.get("FMNIST_DATA_DIR")
    places = [
        *([Path(named)] if named else []),
        default_cache(),
        PROJECT_ROOT / "data" / "fashion-mnist",
        PROJECT_ROOT.parent / "shared" / "fashion-mnist",
    ]
    for directory in places:
        if (directory / "train-images-idx3-ubyte.gz").is_file():
            return directory
    pytest.skip("no Fashion-MNIST on this machine: `make run` downloads it, or set FMNIST_DATA_DIR")


def _first(path: Path, header: int, row_bytes: int, rows: int) -> np.ndarray:
    with gzip.open(path) as file:
        file.seek(header)
        return np.frombuffer(file.read(rows * row_bytes), dtype=np.uint8)


def _images(directory: Path, part: str, rows: int) -> np.ndarray:
    return _first(directory / f"{part}-images-idx3-ubyte.gz", 16, 784, rows).reshape(-1, 28, 28)


def _labels(directory: Path, part: str, rows: int) -> np.ndarray:
    return _first(directory / f"{part}-labels-idx1-ubyte.gz", 8, 1, rows)


@pytest.fixture(scope="session")
def train_images(real_data_dir):
    """First 6,000 training images, uint8 (6000, 28, 28)."""
    return _images(real_data_dir, "train", 6000)


@pytest.fixture(scope="session")
def train_labels(real_data_dir):
    return _labels(real_data_dir, "train", 6000)


@pytest.fixture(scope="session")
def test_images(real_data_dir):
    """First 2,000 test images, uint8 (2000, 28, 28)."""
    return _images(real_data_dir, "t10k", 2000)


@pytest.fixture(scope="session")
def test_labels(real_data_dir):
    return _labels(real_data_dir, "t10k", 2000)


@pytest.fixture(scope="session")
def small_pipeline(train_images, train_labels):
    """A pipeline fitted on 2,000 training images, as a run's datastore returns it."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from fmnist_lib.features.pixels import Pixels

    pipeline = make_pipeline(Pixels(), PCA(30, random_state=0), LogisticRegression(max_iter=500))
    return pickle.loads(pickle.dumps(pipeline.fit(train_images[:2000], train_labels[:2000])))


@pytest.fixture(scope="session")
def fmnist():
    """Return a function that runs a command in this process: exit code, stdout and stderr."""
    from click.testing import CliRunner

    from fmnist_lib.commands.main import fmnist as command_line

    def run(*words):
        done = CliRunner().invoke(command_line, list(map(str, words)), catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr

    return run


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


@pytest.fixture(scope="session")
def argo_environment(tmp_path_factory):
    """Environment in which flows compile for Argo Workflows, without a cluster."""
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
