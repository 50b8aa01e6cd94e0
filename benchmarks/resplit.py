"""The default run on the 70,000 images split anew: nothing may be tuned to one test set.

python benchmarks/resplit.py [--minutes 3] [--seeds 1]

Training and test images are put together, shuffled by the seed, and 10,000 of them (1,000 a class)
become the test images of a directory in the official format, which the flow is given. Appends to
``benchmarks/results/resplit.csv``; the official split stands in ``frontier.csv``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from frontier import RESULTS, ROOT, append, measure

sys.path.insert(0, str(ROOT))

from fmnist_lib.config.training import DataConfig
from fmnist_lib.data.dataset import load_dataset
from fmnist_lib.data.formats.idx import write_idx

TEST_SHARE = 1 / 7
NAMES = (
    ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)


def main() -> None:
    """Split, run, and write a row for every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as directory:
            split(Path(directory), seed)
            row = measure(options.minutes, seed, "--data-dir", directory)
        append(row, RESULTS / "resplit.csv")
        print(row, flush=True)


def split(directory: Path, seed: int) -> None:
    """Write four files with another choice of test images."""
    from sklearn.model_selection import train_test_split

    dataset, _ = load_dataset(DataConfig(synthetic_fallback=False), ROOT, seed)
    splits = dataset.splits.values()
    images = np.concatenate([one.images for one in splits])
    labels = np.concatenate([one.labels for one in splits])
    parts = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=seed
    )
    for rows, (image_name, label_name) in zip(parts, NAMES, strict=True):
        write_idx(directory / image_name, images[rows])
        write_idx(directory / label_name, labels[rows])


if __name__ == "__main__":
    main()
