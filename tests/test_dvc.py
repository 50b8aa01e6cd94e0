"""The data as DVC keeps them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from fmnist_lib.config.training import DataConfig
from fmnist_lib.data.dataset import load_dataset
from fmnist_lib.data.dvc import dvc_version, md5_of
from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.data.official_files import (
    FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)

ROOT = Path(__file__).resolve().parents[1]
POINTER = ROOT / "data" / "fashion-mnist.dvc"
DVC = shutil.which("dvc") or shutil.which("dvc", path=str(ROOT / ".venv-dvc" / "bin"))


def test_the_pointer_names_the_official_files_and_their_source(real_data_dir):
    pointer = yaml.safe_load(POINTER.read_text())
    (directory,) = pointer["outs"]
    paths = [real_data_dir / name for name in FILES]
    assert directory["md5"] == dvc_version(paths)
    assert (directory["nfiles"], directory["path"]) == (4, "fashion-mnist")
    assert directory["size"] == sum(file.size for file in FILES.values())
    assert pointer["meta"]["md5"] == {path.name: md5_of(path) for path in paths}
    # Nothing in it may lead to one person's disk.
    assert pointer["meta"]["source"].startswith("http")
    assert not any(str(value).startswith("/") for value in directory.values())


def _write(directory, images, labels):
    directory.mkdir(parents=True, exist_ok=True)
    for name in (TRAIN_IMAGES, TEST_IMAGES):
        write_idx(directory / name, images)
    for name in (TRAIN_LABELS, TEST_LABELS):
        write_idx(directory / name, labels)


def test_a_run_knows_its_data_by_the_name_that_dvc_gives_them(tmp_path, train_images, train_labels):
    _write(tmp_path / "data", train_images[:1000], train_labels[:1000])
    config = DataConfig(directory=str(tmp_path / "data"))
    _, first = load_dataset(config, tmp_path, seed=0)
    changed = train_labels[:1000].copy()
    changed[0] = (changed[0] + 1) % 10
    _write(tmp_path / "data", train_images[:1000], changed)
    _, second = load_dataset(config, tmp_path, seed=0)
    assert first.dvc.endswith(".dir")
    assert first.dvc != second.dvc


@pytest.mark.slow
@pytest.mark.skipif(DVC is None, reason="needs dvc: make data-tools")
def test_a_new_version_of_the_data_goes_through_a_remote_and_back(
    tmp_path, train_images, train_labels
):
    def run(*words, cwd):
        environment = os.environ | {"DVC_NO_ANALYTICS": "1", "HOME": str(tmp_path)}
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(*words, cwd):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return run("git", *identity, *words, cwd=cwd)

    project, remote = tmp_path / "project", tmp_path / "remote"
    project.mkdir()
    git("init", "-q", cwd=project)
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    run(DVC, "remote", "add", "--local", "--default", "here", remote, cwd=project)
    images, labels = train_images[:1000], train_labels[:1000].copy()
    versions = []
    for number in (1, 2):
        labels[0] = number
        _write(project / "data" / "fashion-mnist", images, labels)
        run(DVC, "add", "-q", "data/fashion-mnist", cwd=project)
        git("add", ".", cwd=project)
        git("commit", "-qm", f"version {number}", cwd=project)
        run(DVC, "push", "-q", cwd=project)
        _, version = load_dataset(
            DataConfig(directory=str(project / "data" / "fashion-mnist")), project, seed=0
        )
        pointer = yaml.safe_load((project / "data" / "fashion-mnist.dvc").read_text())
        assert pointer["outs"][0]["md5"] == version.dvc
        versions.append(version)
    assert versions[0].dvc != versions[1].dvc
    assert "Modified" in run(DVC, "diff", "HEAD~1", cwd=project)
    assert "up to date" in run(DVC, "status", cwd=project)

    other = tmp_path / "other"
    git("clone", "-q", project, other, cwd=tmp_path)
    run(DVC, "remote", "add", "--local", "--default", "here", remote, cwd=other)
    run(DVC, "pull", "-q", cwd=other)
    config = DataConfig(directory=str(other / "data" / "fashion-mnist"))
    dataset, pulled = load_dataset(config, other, seed=0)
    assert (pulled.dvc, pulled.fingerprint) == (versions[1].dvc, versions[1].fingerprint)
    assert np.array_equal(dataset.test.labels, labels)
