"""A batch of test images with a simulated shift, for the monitor to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.drift import ShiftName


def write_batch(shift: ShiftName, images: int, path: Path, seed: int = 20) -> str:
    """Write the first test images after a shift as an ``.npz`` file, without labels.

    Parameters
    ----------
    shift : str
        A key of the shift catalogue.
    images : int
    path : Path
    seed : int, default=20

    Returns
    -------
    str
        Description of the file.
    """
    from fmnist_lib.common.paths import PROJECT_ROOT
    from fmnist_lib.config.training import DataConfig
    from fmnist_lib.data.formats.idx import read_pair
    from fmnist_lib.data.official_files import TEST_IMAGES, TEST_LABELS
    from fmnist_lib.data.verified_files import find_source
    from fmnist_lib.drift.shifts.catalogue import SHIFTS, simulate

    source = find_source(DataConfig(synthetic_fallback=False), PROJECT_ROOT)
    pixels, labels = read_pair(source.paths[TEST_IMAGES], source.paths[TEST_LABELS])
    shifted = simulate(shift, pixels[:images], labels[:images], seed).images
    np.savez_compressed(path, images=shifted)
    described = SHIFTS[shift].describe(SHIFTS[shift].severity)
    return f"{path}: {len(shifted)} test images, {described}"
