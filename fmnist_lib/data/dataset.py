"""Load the data of a configuration as named splits with a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.data.corrections import read_corrections
from fmnist_lib.data.dvc import dvc_version
from fmnist_lib.data.formats.idx import read_images_at, read_labels, read_pair
from fmnist_lib.data.official_files import (
    MIRRORS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from fmnist_lib.data.synthetic import N_TEST, N_TRAIN, generate
from fmnist_lib.data.verified_files import Source, find_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fmnist_lib.config.training import DataConfig

    _ImagesAt = Callable[[NDArray[np.intp]], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 28, 28), values 0-255
    labels : ndarray of uint8, shape (n,), values 0-9
    numbers : ndarray of int, shape (n,)
        Position of each image in its file, counted from 0. Default: in the order of the images.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    numbers: NDArray[np.intp] = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        """Number the images in their order by default."""
        if self.numbers is None:
            object.__setattr__(self, "numbers", np.arange(len(self.labels)))

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    @property
    def sha256(self) -> str:
        """SHA-256 over shapes, types and bytes of the images and the labels."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            digest.update(f"{array.shape} {array.dtype}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """The three splits: for fitting, for comparing candidates, and for the final test."""

    train: Split
    validation: Split
    test: Split

    @property
    def splits(self) -> dict[str, Split]:
        """Splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def load_dataset(
    config: DataConfig,
    project_root: Path,
    seed: int,
    cache: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> tuple[Dataset, DataVersion]:
    """Find, verify, read and split the data.

    Of the training images only those that ``rows`` asks for are kept in memory.

    Parameters
    ----------
    config : DataConfig
    project_root : Path
        Checkout, whose ``data/fashion-mnist`` and ``../shared/fashion-mnist`` are default sources.
    seed : int
        For the split and, if no source is available, for the generated images.
    cache, mirrors
        See `fmnist_lib.data.verified_files.find_source`.

    Returns
    -------
    Dataset
        ``train`` and ``validation`` are stratified and shuffled; ``test`` is the whole test file
        in its order.
    DataVersion

    Raises
    ------
    DataError
        No usable source, a damaged file, corrections for other data, ``rows`` above the number of
        training images, or a class missing in a split.
    """
    source = find_source(config, project_root, cache, mirrors)
    given, images_at, test = _read(source, seed)
    # By the labels as given, so that corrections leave every image in its split.
    train, validation = split_indices(given, config.rows, config.validation_share, seed)
    rows = np.concatenate([train, validation])
    labels, corrected = given, 0
    if config.corrections:
        corrections = read_corrections(resolve_path(config.corrections), labels)
        labels = corrections.apply(labels)
        corrected = int((labels != given)[rows].sum())
    images = images_at(rows)
    dataset = Dataset(
        train=Split(images[: len(train)], labels[train], train),
        validation=Split(images[len(train) :], labels[validation], validation),
        test=test,
    )
    return dataset, _version(dataset, source, corrected)


def split_indices(
    labels: NDArray[np.uint8], rows: int | None, validation_share: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the images to train on and the images to validate on.

    Both have the class shares of `labels`, to within one image per class.

    Parameters
    ----------
    labels : ndarray of uint8, shape (n,)
    rows : int or None
        Images of both together; None: all.
    validation_share : float in (0, 1)
        Of `rows`.
    seed : int

    Returns
    -------
    train, validation : ndarray of int
        Disjoint positions in `labels`, in random order.

    Raises
    ------
    DataError
        `rows` exceeds the number of images, or a class would be missing in one of the two.
    """
    rows = len(labels) if rows is None else rows
    if rows > len(labels):
        raise DataError(
            f"data.rows: expected at most the {len(labels)} training images there are, got {rows}. "
            "Ask for fewer, or leave it out for all."
        )
    available = np.bincount(labels, minlength=N_CLASSES)
    used = _allocate(available, rows)
    held_out = _allocate(used, round(rows * validation_share))
    _require_every_class(used - held_out, held_out)
    rng = np.random.default_rng(seed)
    train, validation = [], []
    for label in range(N_CLASSES):
        members = rng.permutation(np.flatnonzero(labels == label))[: used[label]]
        validation.append(members[: held_out[label]])
        train.append(members[held_out[label] :])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(validation))


def _allocate(counts: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    """Allocate `total` in proportion to `counts`, by the largest-remainder method."""
    exact = counts * (total / counts.sum())
    shares = np.floor(exact + 1e-9).astype(np.intp)
    by_remainder = np.argsort(shares - exact, kind="stable")
    shares[by_remainder[: total - shares.sum()]] += 1
    return shares


def _require_every_class(train: NDArray[np.intp], validation: NDArray[np.intp]) -> None:
    for name, counts in (("training", train), ("validation", validation)):
        missing = [CLASS_NAMES[label] for label in np.flatnonzero(counts == 0)]
        if missing:
            raise DataError(
                f"{name} images: expected some of each of the {N_CLASSES} classes, got none of "
                f"{', '.join(missing)}. Use more rows, another validation share, or data that "
                "have every class."
            )


def _read(source: Source, seed: int) -> tuple[NDArray[np.uint8], _ImagesAt, Split]:
    """Return the labels to train on, a function that reads their images, and the test images."""
    if source.origin == "synthetic":
        images, labels = generate(N_TRAIN + N_TEST, seed)
        test = Split(images[N_TRAIN:], labels[N_TRAIN:])
        return labels[:N_TRAIN], images[:N_TRAIN].__getitem__, test
    test = Split(*read_pair(source.paths[TEST_IMAGES], source.paths[TEST_LABELS]))
    labels = read_labels(source.paths[TRAIN_LABELS])
    return labels, partial(read_images_at, source.paths[TRAIN_IMAGES], total=len(labels)), test


def _version(dataset: Dataset, source: Source, corrected: int) -> DataVersion:
    splits = {name: split.sha256 for name, split in dataset.splits.items()}
    whole = hashlib.sha256("".join(f"{name} {value}\n" for name, value in splits.items()).encode())
    return DataVersion(
        origin=source.origin,
        location=source.location,
        fingerprint=whole.hexdigest(),
        splits=splits,
        files=source.checksums,
        dvc=dvc_version(list(source.paths.values())),
        corrected=corrected,
    )
