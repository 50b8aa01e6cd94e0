"""Compare the predictions of a stored pipeline, loaded in a new process, with the original's."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHECK_TIMEOUT_SECONDS = 600


def describe_difference(
    pipeline: Any, images: NDArray[np.uint8], directory: Path, *, allow: bool
) -> str | None:
    """Return how predictions of a stored pipeline differ in a new process; None if bit-identical.

    The fitted pipeline itself cannot be compared with: pickling makes views contiguous, BLAS then
    rounds the last bit differently, and a tree may take another branch.

    Parameters
    ----------
    pipeline : estimator
        As it was stored.
    images : ndarray of uint8, shape (n, 28, 28)
    directory : Path
        Where it is stored.
    allow : bool
        Load cloudpickle.
    """
    try:
        copy = pickle.loads(pickle.dumps(pipeline))  # noqa: S301 (our own bytes)
    except Exception as error:  # noqa: BLE001 (types of the pipeline may raise anything)
        return f"it cannot be pickled: {error}"
    expected = np.asarray(copy.predict_proba(images))
    with tempfile.TemporaryDirectory() as name:
        inputs, outputs = Path(name) / "images.npy", Path(name) / "probabilities.npy"
        np.save(inputs, images)
        command = [sys.executable, "-m", "fmnist_lib.model_files.roundtrip_check", str(directory)]
        command += [str(inputs), str(outputs), *(["--allow-cloudpickle"] if allow else [])]
        path = os.pathsep.join([str(PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(  # noqa: S603 (our own module)
            command,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=_CHECK_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            return f"a new process cannot load its copy: {last}"
        found = np.load(outputs, allow_pickle=False)
    if expected.dtype == found.dtype and np.array_equal(expected, found):
        return None
    n_different = int(np.any(expected != found, axis=1).sum())
    return f"predictions of its copy differ on {n_different} of {len(images)} images"
