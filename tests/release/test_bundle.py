from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.config.release import ReleaseConfig
from fmnist_lib.release.bundle import ReleaseError, bundle_path, write_bundle
from fmnist_lib.release.reproduce import different_files


@pytest.fixture(scope="module")
def bundle(contents, tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundles") / "run.zip", **contents)


@pytest.fixture
def unpacked(bundle, tmp_path):
    with zipfile.ZipFile(bundle.path) as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def _reproduce(directory, *options):
    """Run it as another user would: in another directory, without this checkout on the path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-P", str(directory / "reproduce.py"), *options],
        cwd=directory.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_unpacked_bundle_reproduces_its_predictions(unpacked, contents):
    result = _reproduce(unpacked)
    assert result.returncode == 0, result.stdout + result.stderr
    report = contents["report"]
    accuracy = (report.test_probabilities.argmax(axis=1) == report.labels["test"]).mean()
    assert f"reproduced: accuracy {accuracy:.4f} on 2000 test images" in result.stdout
    assert "0 labels differ" in result.stdout
    # It leaves nothing behind, so it can run again.
    assert _reproduce(unpacked).returncode == 0


@pytest.mark.parametrize(
    "name", ["data/train-images.npy", "model/model.skops", "source/fmnist_lib/common/labels.py"]
)
def test_one_changed_byte_is_found_and_named(unpacked, name):
    content = bytearray((unpacked / name).read_bytes())
    content[len(content) // 2] ^= 1
    (unpacked / name).write_bytes(content)
    result = _reproduce(unpacked)
    assert result.returncode == 1
    assert result.stdout == f"NOT the packed files:\n  {name}: changed\n"


def test_missing_and_added_files_are_named(unpacked):
    (unpacked / "metrics.json").unlink()
    (unpacked / "source" / "sitecustomize.py").write_text("")
    result = _reproduce(unpacked)
    assert result.returncode == 1
    assert "metrics.json: missing" in result.stdout
    assert "source/sitecustomize.py: not part of the bundle, and Python could" in result.stdout


def test_predictions_of_another_model_are_not_called_reproduced(contents, tmp_path):
    report = contents["report"]
    other = replace(report, test_probabilities=np.roll(report.test_probabilities, 1, axis=1))
    info = write_bundle(tmp_path / "other.zip", **contents | {"report": other})
    with zipfile.ZipFile(info.path) as archive:
        archive.extractall(tmp_path / "other")
    result = _reproduce(tmp_path / "other")
    assert result.returncode == 1
    assert result.stdout.startswith("NOT reproduced: accuracy")


def test_the_same_contents_give_the_same_bytes(bundle, contents, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    again = write_bundle(tmp_path / "again.zip", **contents)
    assert again.sha256 == bundle.sha256
    assert again.path.read_bytes() == bundle.path.read_bytes()


def test_a_printed_summary_is_packed_and_checked(contents, tmp_path):
    info = write_bundle(tmp_path / "run.zip", **contents, summary_pdf=b"%PDF of the summary")
    with zipfile.ZipFile(info.path) as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "unpacked" / "summary.pdf").write_bytes(b"%PDF of another")
    assert different_files(tmp_path / "unpacked") == ["summary.pdf: changed"]


def test_the_bundle_holds_data_model_source_settings_and_results(bundle):
    assert set(bundle.files) >= {
        "config.json",
        "data/test-images.npy",
        "data/train-labels.npy",
        "leaderboard.csv",
        "metrics.json",
        "model/model.skops",
        "predictions/test-probabilities.npy",
        "reproduce.py",
        "source/config/train.toml",
        "source/fmnist_lib/release/bundle.py",
        "source/fmnist_lib/release/summary.html",
        "source/pyproject.toml",
        "source/requirements/runtime.txt",
    }
    assert not [name for name in bundle.files if "__pycache__" in name or ".." in name]
    with zipfile.ZipFile(bundle.path) as archive:
        assert tuple(archive.namelist()) == bundle.files
        manifest = json.loads(archive.read("manifest.json"))
    assert set(manifest["files"]) == set(bundle.files) - {"manifest.json", "manifest.sha256"}
    assert manifest["run"]["metaflow.pathspec"] == "FashionMnistTrain/1747/publish/9"
    assert manifest["data"]["fingerprint"] == "f" * 64


def test_secrets_data_and_links_of_the_checkout_stay_out(contents, tmp_path):
    root = tmp_path / "checkout"
    for name in ("config/train.toml", "config/.env", ".env", "flows/__pycache__/a.py", "data/x.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "flows" / "outside").symlink_to("/etc")
    (root / "flows" / "link.py").symlink_to("/etc/passwd")
    info = write_bundle(tmp_path / "run.zip", **contents | {"root": root})
    packed = [name for name in info.files if name.startswith("source/")]
    assert packed == ["source/config/train.toml"]


def test_a_failed_write_leaves_the_older_bundle_and_no_rest(contents, tmp_path):
    path = tmp_path / "run.zip"
    path.write_bytes(b"older")
    absent = replace(contents["model"], directory=tmp_path / "absent")
    with pytest.raises(ReleaseError, match=r"run\.zip: expected to write .*absent"):
        write_bundle(path, **contents | {"model": absent})
    assert [file.name for file in tmp_path.iterdir()] == ["run.zip"]
    assert path.read_bytes() == b"older"


def test_a_file_that_cannot_be_read_is_not_reported_as_one_of_writing(contents, tmp_path):
    directory = shutil.copytree(contents["model"].directory, tmp_path / "model")
    model = replace(contents["model"], directory=directory)
    (directory / "z.skops").symlink_to(tmp_path / "absent")
    with pytest.raises(ReleaseError, match=r"z\.skops: expected a readable file to pack") as raised:
        write_bundle(tmp_path / "b.zip", **contents | {"model": model})
    assert "expected to write" not in str(raised.value)
    assert not (tmp_path / "b.zip").exists()


def test_the_file_name_is_safe_whatever_the_run_is_called(tmp_path):
    path = bundle_path(ReleaseConfig(), tmp_path, "../Flow/argo workflow:1")
    assert path == tmp_path / "bundles" / "Flow-argo-workflow-1.zip"


def test_data_larger_than_allowed_are_pointed_to(contents, tmp_path):
    settings = contents["report"].settings
    release = settings["release"] | {"max_data_mb": 0.1}
    report = replace(contents["report"], settings=settings | {"release": release})
    root = tmp_path / "checkout"
    (root / "data").mkdir(parents=True)
    (root / "data" / "fashion-mnist.dvc").write_text("outs: []")
    info = write_bundle(tmp_path / "run.zip", **contents | {"report": report, "root": root})
    data = [name for name in info.files if name.startswith("data/")]
    assert data == ["data/README.md", "data/fashion-mnist.dvc"]
    with zipfile.ZipFile(info.path) as archive:
        assert b"f" * 64 in archive.read("data/README.md")


def test_the_pipeline_fitted_again_is_compared(unpacked):
    result = _reproduce(unpacked, "--retrain")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "fitted again on 800 images: accuracy" in result.stdout
    assert "of 2000 labels differ" in result.stdout
