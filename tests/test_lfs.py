"""Large results through Git LFS, and nothing that DVC keeps."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = [
    line.split()[0]
    for line in (ROOT / ".gitattributes").read_text().splitlines()
    if "filter=lfs" in line
]


def _files():
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def test_no_path_belongs_to_both_dvc_and_lfs():
    pointers = [ROOT / name for name in _files() if name.endswith(".dvc")]
    assert pointers
    for pointer in pointers:
        content = yaml.safe_load(pointer.read_text())
        names = [out["path"] for out in content["outs"]] + list(content["meta"]["md5"])
        for name in names:
            assert not any(fnmatch.fnmatch(name, pattern) for pattern in PATTERNS), name


def test_every_large_kind_is_covered_and_no_file_of_the_checkout_is():
    for name in ("bundle.zip", "deep/er/run.mp4", "model.skops", "model.onnx"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in PATTERNS), name
    covered = [n for n in _files() if any(fnmatch.fnmatch(n, pattern) for pattern in PATTERNS)]
    assert covered == []


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs")
def test_a_bundle_goes_through_a_remote_and_comes_back_whole(tmp_path):
    def git(*words, cwd):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        environment = os.environ | {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *identity, *map(str, words)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    remote, project, other = (tmp_path / name for name in ("remote.git", "project", "other"))
    project.mkdir()
    git("lfs", "install", cwd=tmp_path)
    git("init", "-q", "--bare", "-b", "main", remote, cwd=tmp_path)
    git("init", "-q", "-b", "main", cwd=project)
    shutil.copy(ROOT / ".gitattributes", project)
    noise = np.random.default_rng(0).bytes(3_000_000)
    with zipfile.ZipFile(project / "run.zip", "w") as bundle:
        bundle.writestr("data.npz", noise)
    git("add", ".", cwd=project)
    git("commit", "-qm", "bundle", cwd=project)
    assert git("cat-file", "-p", "HEAD:run.zip", cwd=project).startswith("version https://git-lfs")
    git("remote", "add", "origin", remote.as_uri(), cwd=project)
    git("push", "-q", "origin", "main", cwd=project)
    assert sum(file.stat().st_size for file in (remote / "lfs").rglob("*")) > len(noise)
    git("clone", "-q", remote.as_uri(), other, cwd=tmp_path)
    assert (other / "run.zip").read_bytes() == (project / "run.zip").read_bytes()
    with zipfile.ZipFile(other / "run.zip") as bundle:
        assert bundle.read("data.npz") == noise
