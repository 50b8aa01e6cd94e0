"""Compare two ways for a step on another machine to get the features that candidates share.

python benchmarks/shared_features.py [--rows 50000]

Prints the seconds to compute them from the images, and those to store and to read them as Metaflow
does (pickled, compressed with gzip at level 3) without the transfer, whose size is printed too.
"""

from __future__ import annotations

import argparse
import gzip
import pickle
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.loading import override, read_settings
from fmnist_lib.config.training import DEFAULT_CONFIG
from fmnist_lib.data.dataset import load_dataset
from fmnist_lib.search.recipes.column_cache import restore_columns
from fmnist_lib.workflows.search import prepare_search, shared_features

#: As in Metaflow's content-addressed store.
LEVEL = 3


def main() -> None:
    """Measure, and print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="training images; default: all")
    settings = override(read_settings(DEFAULT_CONFIG), rows=parser.parse_args().rows)
    dataset, _ = load_dataset(settings.data, PROJECT_ROOT, settings.seed)
    with TemporaryDirectory() as directory:
        cache, other = Path(directory) / "cache", Path(directory) / "other"
        start = time.perf_counter()
        prepare_search(dataset, settings, cache)
        print(f"compute: {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        stored = gzip.compress(pickle.dumps(shared_features(dataset, settings, cache)), LEVEL)
        print(f"store: {time.perf_counter() - start:.1f} s, {len(stored) / 1e6:.0f} MB")
        start = time.perf_counter()
        restore_columns(pickle.loads(gzip.decompress(stored)), other)  # noqa: S301 (our own)
        print(f"read: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
