"""A scratch checkout with one finished run, in which the documented commands are run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.data.official_files import FILES

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(sys.prefix)


@dataclass(frozen=True)
class Checkout:
    """A checkout in which the commands are run.

    Attributes
    ----------
    root : Path
        Copy of the project, a Git repository.
    elsewhere : Path
        An empty directory beside it.
    environment : dict
        Variables of the commands.
    """

    root: Path
    elsewhere: Path
    environment: dict[str, str]

    def bash(self, script: str, seconds: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a script in the checkout; it ends with the first command that fails."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )


@pytest.fixture(scope="session")
def checkout(real_data_dir, test_images, test_labels, argo_environment, tmp_path_factory):
    """A copy of this checkout after `make run`."""
    base = tmp_path_factory.mktemp("documentation")
    place = Checkout(base / "checkout", base / "elsewhere", _environment(base, argo_environment))
    place.elsewhere.mkdir()
    _copy(place.root)
    # Metaflow would take a datastore in a parent directory.
    (place.root / ".metaflow").mkdir()
    (place.root / "data" / "fashion-mnist").mkdir()
    for name in FILES:
        shutil.copy2(real_data_dir / name, place.root / "data" / "fashion-mnist")
    # The bundle's source finds the data where a user's cache has them.
    cache = base / "cache" / "fmnist-flow"
    cache.parent.mkdir()
    cache.symlink_to(real_data_dir)
    _write_files(place.root, test_images[:500], test_labels[:500])
    done = place.bash(
        "git init -q && git add -A && git commit -qm 'First'"
        " && make --old-file=.venv/.installed run"
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return place


def _environment(base: Path, argo: dict[str, str]) -> dict[str, str]:
    # The checkout has a datastore of its own.
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW", "MLFLOW"))}
    who = {
        f"GIT_{role}_{key}": "a@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {k: v for k, v in argo.items() if k not in ("PATH", "HOME", "METAFLOW_HOME")}
    return (
        variables
        | kept
        | who
        | {
            "PATH": os.pathsep.join([str(VENV / "bin"), os.environ["PATH"]]),
            "HOME": str(base),
            "XDG_CACHE_HOME": str(base / "cache"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "1",
            "BROWSER": "true",
            "PORT": str(port),
            "ELSEWHERE": str(base / "elsewhere"),
            "REMOTE": str(base / "remote"),
            "SITE": next(path for path in sys.path if path.endswith("site-packages")),
        }
    )


def _copy(target: Path) -> None:
    """Copy what Git tracks or would track, and link the environments."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no Git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for name in ("train.toml", "monitor.toml"):
        shutil.copy2(Path(__file__).parent / "config" / name, target / "config" / name)
    for name, place in ((".venv", VENV), (".venv-dvc", ROOT / ".venv-dvc")):
        if place.exists():
            (target / name).symlink_to(place.resolve())


def _write_files(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write the files that the commands name."""
    np.save(root / "images.npy", images)
    np.save(root / "labels.npy", labels)
    (root / "request.json").write_text(json.dumps({"inputs": images[:3].tolist()}))
    table = pd.DataFrame(images.reshape(-1, 784), columns=[f"pixel{n}" for n in range(1, 785)])
    (root / "incoming").mkdir()
    # The test may run over midnight.
    for day in (0, 1):
        date = pd.Timestamp.now() + pd.Timedelta(days=day)
        table.to_parquet(root / "incoming" / f"{date:%Y-%m-%d}.parquet")
