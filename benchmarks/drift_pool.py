"""The champion, the held-out images and the shifted ones that every benchmark of drift draws from.

python benchmarks/drift_pool.py [--data DIRECTORY]

The champion is a real one, but small, so that hundreds of thousands of images can be scored: the
recipe that the search starts with (histograms of gradients, mirror-invariant kernel) on the first
20,000 official training images, with 4,000 landmarks. Held out are the 10,000 test images and the
last 10,000 training images, which it never saw, shuffled together. They are scored once as they
are and once under every shift, and kept in .cache/drift. Deleting that costs only time.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from official_data import official_files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmnist_lib.common.labels import N_CLASSES  # noqa: E402 (the line above finds it)
from fmnist_lib.data.formats.idx import read_pair  # noqa: E402 (as above)
from fmnist_lib.data.official_files import (  # noqa: E402 (as above)
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from fmnist_lib.drift.batch import Batch  # noqa: E402 (as above)
from fmnist_lib.drift.columns import tested_columns  # noqa: E402 (as above)
from fmnist_lib.drift.shifts.catalogue import SHIFTS, simulate  # noqa: E402 (as above)

CACHE = ROOT / ".cache" / "drift"
SEED = 20
CLEAN = "clean"
N_FITTED, N_UNSEEN, LANDMARKS = 20_000, 10_000, 4_000
RECIPE = {
    "family": "kernel",
    "features": "gradients",
    "gradients_components": 450,
    "antisymmetric_share": 0.36,
    "whitening": 0.5,
    "width": 1.0,
    "ridge": 0.03,
    "landmarks": LANDMARKS,
    "hardest_share": 1.0,
}


@dataclass(frozen=True)
class Held:
    """Official images, split for these benchmarks.

    Attributes
    ----------
    images, labels : ndarray
        Held out: (20000, 28, 28) and (20000,), uint8.
    fitted_images, fitted_labels : ndarray
        What the champion is fitted on.
    """

    images: np.ndarray
    labels: np.ndarray
    fitted_images: np.ndarray
    fitted_labels: np.ndarray


def held_out(directory: Path | None = None) -> Held:
    """Read the official files and put held-out images aside."""
    paths = official_files(directory)
    train, train_labels = read_pair(paths[TRAIN_IMAGES], paths[TRAIN_LABELS])
    test, test_labels = read_pair(paths[TEST_IMAGES], paths[TEST_LABELS])
    images = np.concatenate([test, train[-N_UNSEEN:]])
    labels = np.concatenate([test_labels, train_labels[-N_UNSEEN:]])
    order = np.random.default_rng(SEED).permutation(len(images))
    return Held(images[order], labels[order], train[:N_FITTED], train_labels[:N_FITTED])


def champion(held: Held):
    """Return the fitted pipeline, from the cache if it is there."""
    path = CACHE / "champion.pickle"
    if not path.exists():
        _write(path, _fit(held))
    return pickle.loads(path.read_bytes())  # noqa: S301 (written by us)


def _fit(held: Held):
    from fmnist_lib.search.recipes.column_cache import ColumnStore
    from fmnist_lib.search.recipes.pipelines import make_recipe
    from fmnist_lib.search.recipes.search_data import SearchData

    data = SearchData(held.fitted_images, held.fitted_labels, 0, N_FITTED, np.arange(N_FITTED))
    # About what the validation images of a search give: scores divided by 0.13.
    scaling = np.vstack([np.eye(N_CLASSES) / 0.13, np.zeros(N_CLASSES)])
    recipe = make_recipe(RECIPE, SEED).with_learner(scaling=scaling)
    store = ColumnStore(CACHE / "columns", data, SEED)
    return recipe.pipeline(store, recipe.fit_learner(store, data, slice(0, data.n_train)))


@dataclass(frozen=True)
class Pool:
    """All held-out images after one change, scored.

    Attributes
    ----------
    name : str
    batch : Batch
        20,000 images in the order of `Held`, with outputs and labels.
    columns : ndarray of shape (20000, 33), float32
        What the default test compares.
    """

    name: str
    batch: Batch
    columns: np.ndarray


@cache
def _stored(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def pool(held: Held, name: str = CLEAN) -> Pool:
    """Return the pool of a change of pixels; "clean" is that of the images as they are.

    Changes of the class mix have no pool: they leave out rows of one.
    """
    path = CACHE / f"{name}.npz"
    if not path.exists():
        _make(held, name, path)
    stored = _stored(path) if name == CLEAN else _stored.__wrapped__(path)
    batch = Batch(stored["images"], stored["probabilities"], held.labels)
    return Pool(name, batch, stored["columns"])


def pool_name(shift: str) -> str:
    """Name of the pool that the batches of a shift are drawn from."""
    found = SHIFTS[shift]
    if found.change is None and found.attack is None:
        return CLEAN
    return "image_medium" if found.select is not None else shift


def _make(held: Held, name, path: Path) -> None:
    start = time.perf_counter()
    images = held.images if name == CLEAN else simulate(name, held.images, held.labels, SEED).images
    probabilities = champion(held).predict_proba(images).astype(np.float32)
    columns = tested_columns(images, probabilities)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, images=images, probabilities=probabilities, columns=columns)
    partial.rename(path)
    right = (probabilities.argmax(axis=1) == held.labels).mean()
    confidence = probabilities.max(axis=1).mean()
    print(
        f"{name}: accuracy {right:.4f}, mean confidence {confidence:.4f}, "
        f"{time.perf_counter() - start:.0f} s",
        flush=True,
    )


def _write(path, thing):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(thing))


def main() -> None:
    """Score everything that is not in the cache."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="directory of the four official files")
    held = held_out(parser.parse_args().data)
    for name in (CLEAN, *dict.fromkeys(pool_name(shift) for shift in SHIFTS)):
        pool(held, name)


if __name__ == "__main__":
    main()
