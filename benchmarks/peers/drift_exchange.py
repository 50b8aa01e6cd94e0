"""Files exchanged by the benchmark of drift tests and a peer's process; needs only NumPy.

The benchmark starts ``run_NAME.py DIRECTORY MINUTES``. DIRECTORY/outputs.npy are rows of the
champion's ten outputs, float32; DIRECTORY/batches.npz says which of them every reference and every
batch has. The peer leaves one alarm a batch in
DIRECTORY/alarms.npz, as far as it comes in time.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Gets a reference, gives what tells of a batch whether it drifted.
    Fit = Callable[[np.ndarray], Callable[[np.ndarray], bool]]


def answer_all(fit: Fit, library: str) -> None:
    """Fit on every reference, test all batches that belong to it, and write the alarms.

    Parameters
    ----------
    fit : callable
        ``reference -> (batch -> alarm)``, each an array of shape (n, n_columns).
    library : str
        Name of the distribution whose version is reported.
    """
    directory, minutes = Path(sys.argv[1]), float(sys.argv[2])
    rows = np.load(directory / "outputs.npy", mmap_mode="r")
    with np.load(directory / "batches.npz") as file:
        references, repeats, batches = file["references"], file["repeats"], file["batches"]
    alarms: list[bool] = []
    start = time.perf_counter()
    for repeat, reference in enumerate(references):
        if time.perf_counter() - start > 60 * minutes:
            break
        alarm = fit(rows[reference])
        # Shorter batches are filled up with -1.
        alarms += [alarm(rows[batch[batch >= 0]]) for batch in batches[repeats == repeat]]
        print(f"{repeat + 1} of {len(references)} references done", flush=True)
    np.savez(
        directory / "alarms.npz",
        alarms=np.array(alarms),
        version=f"{library} {version(library)}",
    )
