"""The result of a run, without its timings, to compare two runs bit by bit."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict

#: Columns of the leaderboard that depend on the speed of the machine.
_TIMINGS = ("seconds", "ms_per_image", "_ms", "trials_per")
#: Fields of a signal that differ in every run. Each row of the matrix has a new champion, which
#: must be the same model.
_OF_THE_RUN = ("created", "monitor_run", "champion")


def read(flow, run_id):
    """Return what two runs of a flow must have in common.

    Parameters
    ----------
    flow : {"train", "monitor"}
    run_id : str

    Returns
    -------
    dict of str to str
    """
    from metaflow import Run, namespace

    namespace(None)
    name = {"train": "FashionMnistTrain", "monitor": "FashionMnistMonitor"}[flow]
    run = Run(f"{name}/{run_id}")
    assert run.successful, f"{run.pathspec} did not succeed"
    return _training(run) if flow == "train" else _monitoring(run)


def differences(expected, got):
    """Return a line per difference of two results."""
    return [
        f"{key} differs: expected {expected[key][:300]}, got {got.get(key, 'nothing')[:300]}"
        for key in expected
        if expected[key] != got.get(key)
    ]


def _training(run):
    data = run["end"].task.data
    board = data.leaderboard
    kept = [name for name in board if not any(part in name for part in _TIMINGS)]
    return {
        "winner": board.loc[board["status"] == "winner", "candidate"].iloc[0],
        "predictions": hashlib.sha256(data.test_probabilities.tobytes()).hexdigest(),
        "leaderboard": board[kept].to_csv(index=False),
        "data and model of the bundle": _bundle(data.bundle_path),
    }


def _bundle(path):
    """Return a hash of the names and contents of a bundle's ``data/`` and ``model/``."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as file:
        names = [name for name in sorted(file.namelist()) if name.startswith(("data/", "model/"))]
        for name in names:
            digest.update(name.encode() + file.read(name))
    assert names, path
    return digest.hexdigest()


def _monitoring(run):
    signal = asdict(run["end"].task.data.signal)
    return {
        "signal": json.dumps({key: signal[key] for key in signal if key not in _OF_THE_RUN}),
    }
