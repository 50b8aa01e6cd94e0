"""Calibration of the prediction sets as a file beside the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.array_files import read_npz
from fmnist_lib.common.conformal import ConformalCalibration
from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.labels import N_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

#: Ten million calibration images.
_MAX_BYTES = 40_000_000
_ANOTHER = "Take the model from a run or a bundle you trust."


def write_conformal(calibration: ConformalCalibration, path: Path) -> None:
    """Write an ``.npz`` file, byte-for-byte reproducible; 4 bytes per calibration image."""
    with path.open("wb") as file:
        np.savez(file, probabilities=calibration.probabilities, counts=calibration.counts)


def read_conformal(path: Path) -> ConformalCalibration:
    """Read an ``.npz`` file.

    Raises
    ------
    ModelError
        The file does not contain sorted probabilities of each class.
    """
    try:
        content = read_npz(path, ("probabilities", "counts"), _MAX_BYTES)
        calibration = ConformalCalibration(content["probabilities"], content["counts"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path.name}: expected the calibration of prediction sets, got: {error}. {_ANOTHER}"
        ) from None
    if not _is_valid(calibration):
        raise ModelError(
            f"{path.name}: expected sorted probabilities of each of {N_CLASSES} classes, got "
            f"others. {_ANOTHER}"
        )
    return calibration


def _is_valid(calibration: ConformalCalibration) -> bool:
    own, counts = calibration.probabilities, calibration.counts
    if own.dtype != np.float32 or own.ndim != 1 or counts.dtype != np.int64:
        return False
    if counts.shape != (N_CLASSES,) or (counts < 0).any() or counts.sum() != len(own):
        return False
    falls = np.flatnonzero(np.diff(own) < 0) + 1
    return bool(np.all((own >= 0) & (own <= 1)) and np.isin(falls, np.cumsum(counts)).all())
