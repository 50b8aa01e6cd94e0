"""A bundle and a registered model made by an older version of the project."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from fmnist_lib.model_files.stored_model import load_model
from fmnist_lib.release.archive import unpack, verify
from fmnist_lib.workflows.model_source import load

OLDER = Path(__file__).with_name("older")
CHAMPION = "models:/fashion-mnist@champion"

#: Predict with the bundle's own source, from before.
OLDER_SOURCE = """
import sys
from pathlib import Path
import numpy as np

directory = Path(sys.argv[1])
sys.path.insert(0, str(directory / "source"))
from fmnist_lib.persistence.stored_model import load_model

images = np.load(directory / "data" / "test-images.npy")
np.save(sys.argv[2], load_model(directory / "model").pipeline.predict_proba(images))
"""

#: A consumer with MLflow and the model, but without this project.
PLAIN_MLFLOW = """
import sys
import mlflow
import numpy as np

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/fashion-mnist@champion")
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]))[["class", "probability"]].to_numpy())
import fmnist_lib
print(fmnist_lib.__file__)
"""


def _run(code, *arguments, cwd):
    """Run code without this checkout; return its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MLFLOW"))}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return Path(shutil.copy(OLDER / "bundle.bin", tmp_path_factory.mktemp("older") / "run.zip"))


@pytest.fixture(scope="module")
def unpacked(bundle):
    unpack(bundle, bundle.parent / "unpacked")
    return bundle.parent / "unpacked"


@pytest.fixture(scope="module")
def images(unpacked):
    return np.load(unpacked / "data" / "test-images.npy")


@pytest.fixture(scope="module")
def probabilities(unpacked, tmp_path_factory):
    """Predictions of the older code on this machine; another processor may round differently."""
    directory = tmp_path_factory.mktemp("older source")
    _run(OLDER_SOURCE, unpacked, directory / "probabilities.npy", cwd=directory)
    return np.load(directory / "probabilities.npy")


@pytest.fixture(scope="module")
def store(unpacked, tmp_path_factory):
    """Address of the older MLflow store, moved to this machine."""
    root = tmp_path_factory.mktemp("store")
    with tarfile.open(OLDER / "mlflow.tar.xz") as archive:
        archive.extractall(root, filter="data")
    (files,) = root.glob("artifacts/models/*/artifacts")
    shutil.copytree(unpacked / "model", files / "data" / "champion")
    columns = [
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "source"),
        ("model_versions", "storage_location"),
    ]
    with sqlite3.connect(root / "mlflow.db") as database:
        for table, column in columns:
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, '/older', ?)",  # noqa: S608
                [str(root)],
            )
    database.close()
    return f"sqlite:///{root / 'mlflow.db'}"


def test_an_older_bundle_is_verified_and_one_changed_byte_is_found(bundle, unpacked, tmp_path):
    assert verify(bundle) == []
    assert verify(unpacked) == []
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.zip").write_bytes(content)
    assert verify(tmp_path / "changed.zip")


def test_an_older_bundle_predicts_as_it_did(bundle, unpacked, images, probabilities):
    stored = np.load(unpacked / "predictions" / "test-probabilities.npy")
    np.testing.assert_allclose(probabilities, stored, atol=1e-5)
    for model in (load_model(unpacked / "model"), load(str(bundle))):
        np.testing.assert_array_equal(model.pipeline.predict_proba(images), probabilities)


def test_an_older_bundle_reproduces_itself(unpacked, tmp_path):
    output = _run(
        "import runpy, sys; runpy.run_path(sys.argv.pop(), run_name='__main__')",
        unpacked / "reproduce.py",
        cwd=tmp_path,
    )
    assert "reproduced: accuracy" in output
    assert "0 labels differ" in output


def test_an_older_registered_version_predicts_as_it_did(store, images, probabilities):
    model = load(CHAMPION, environment_uri=store)
    np.testing.assert_array_equal(model.pipeline.predict_proba(images), probabilities)


def test_an_older_registered_version_predicts_with_mlflow_alone(
    store, unpacked, probabilities, tmp_path
):
    output = tmp_path / "predictions.npy"
    source = _run(PLAIN_MLFLOW, store, unpacked / "data" / "test-images.npy", output, cwd=tmp_path)
    assert "code/fmnist_lib" in source
    classes, highest = np.load(output).T
    np.testing.assert_array_equal(classes, probabilities.argmax(axis=1))
    np.testing.assert_array_equal(highest, probabilities.max(axis=1))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("fmnist_lib.data.version", "DataVersion"),
        ("fmnist_lib.evaluation.metrics", "Evaluation"),
        ("fmnist_lib.evaluation.metrics", "ConfusedPair"),
        ("fmnist_lib.registry.gates", "GateResult"),
        ("fmnist_lib.registry.promotion", "PromotionDecision"),
    ],
)
def test_pickled_artifacts_of_older_runs_find_their_classes(module, name):
    assert pickle.loads(f"c{module}\n{name}\n.".encode()).__name__ == name
