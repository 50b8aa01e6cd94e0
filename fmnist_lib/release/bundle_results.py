"""Read the results of a run from its bundle alone."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.array_files import read_array
from fmnist_lib.evaluation.run_comparison import RunResults
from fmnist_lib.release.archive import BundleError, verify
from fmnist_lib.release.reproduce import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

#: Most bytes of one file; the 10,000 test images have 8 million.
_MAX_BYTES = 1 << 30


def read_results(path: Path) -> RunResults:
    """Read the results of a run.

    Parameters
    ----------
    path : Path
        The bundle, packed or unpacked.

    Raises
    ------
    BundleError
        There is no bundle, it was changed, or it does not hold the test labels.
    """
    if problems := verify(path):
        raise BundleError(
            f"{path.name}: expected an unchanged bundle, got: {'; '.join(problems[:5])}. Take the "
            "bundle from its source again."
        )
    try:
        with open_bundle(path) as (_, read):
            return _results(json.loads(read(MANIFEST)), read, path.name)
    # An unchanged bundle may still be one that this project did not write.
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OSError) as error:
        raise BundleError(
            f"{path.name}: expected the results of a run in it, got: {type(error).__name__}: "
            f"{error}. Take the bundle from its source again."
        ) from None


@contextmanager
def open_bundle(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Yield the names of a bundle's files, packed or unpacked, and a function that reads one."""
    if path.is_dir():
        files = json.loads((path / MANIFEST).read_bytes())["files"]
        yield list(files), lambda name: (path / name).read_bytes()
    else:
        with zipfile.ZipFile(path) as archive:
            yield archive.namelist(), lambda name: _read(archive, name)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > _MAX_BYTES:
        raise BundleError(
            f"{name}: expected at most {_MAX_BYTES} bytes, got {size}. Unpack the bundle first."
        )
    return archive.read(name)


def code_of(manifest: dict[str, Any]) -> dict[str, str]:
    """Return Git commit, Python and packages of a bundle's manifest."""
    commit = manifest["run"].get("mlflow.source.git.commit", "unknown")
    return {"Git commit": commit, "Python": manifest["python"]} | manifest["packages"]


def _results(manifest: dict[str, Any], read: Callable[[str], bytes], name: str) -> RunResults:
    import pandas as pd

    if "data/test-labels.npy" not in manifest["files"]:
        raise BundleError(
            f"{name}: expected the test labels in it, got only a pointer to the data. Compare the "
            "Metaflow run instead, or raise release.max_data_mb."
        )
    table = pd.read_csv(io.BytesIO(read("leaderboard.csv")))
    return RunResults(
        name=f"{manifest['run']['metaflow.flow']}/{manifest['run']['metaflow.run_id']}",
        settings=json.loads(read("config.json")),
        data=manifest["data"]["splits"],
        code=code_of(manifest),
        leaderboard=table,
        labels=_array(read("data/test-labels.npy")),
        predictions=_array(read("predictions/test-labels.npy")),
        images=_array(read("data/test-images.npy")),
        metrics=json.loads(read("metrics.json")),
    )


def _array(content: bytes) -> np.ndarray:
    return read_array(content)
