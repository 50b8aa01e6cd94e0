"""Write the splits of a configuration to a file, to archive them.

``python -m fmnist_lib.data.splits --config config/train.toml data/splits.npz``
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import FmnistError
from fmnist_lib.common.paths import path_argument
from fmnist_lib.config.base import PROJECT_ROOT
from fmnist_lib.config.loading import read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.data.dataset import load_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Dataset


def write_splits(dataset: Dataset, path: Path) -> None:
    """Write every split as ``<name>_images`` and ``<name>_labels`` of an ``.npz`` file.

    Deterministic: the same splits give the same bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished.npz")
    arrays = {
        f"{name}_{part}": getattr(split, part)
        for name, split in dataset.splits.items()
        for part in ("images", "labels")
    }
    np.savez_compressed(unfinished, **arrays)
    unfinished.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; print a known error as one message."""
    parser = argparse.ArgumentParser(prog="python -m fmnist_lib.data.splits", description=__doc__)
    parser.add_argument("file", type=path_argument, help="the .npz file to write")
    parser.add_argument(
        "--config", type=path_argument, default=DEFAULT_CONFIG, help="TOML or JSON file"
    )
    options = parser.parse_args(arguments)
    try:
        settings: Settings = read_settings(options.config)
        dataset, version = load_dataset(settings.data, PROJECT_ROOT, settings.seed)
        write_splits(dataset, options.file)
    except FmnistError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{options.file}: {version.description}, fingerprint {version.fingerprint}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
