"""The images a search may see, in one fixed order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SearchData:
    """Training and validation images, arranged so that every part is a slice.

    First the training images that score trials (held out), then those that trials are fitted on,
    then the validation images that compare candidates. The training images are shuffled: any
    leading rows of a part are a random sample of it.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of uint8, shape (n,)
    n_holdout : int
    n_train : int
        Held-out images and those to fit on.
    numbers : ndarray of int, shape (n,)
        Positions in the training file, counted from 0.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    n_holdout: int
    n_train: int
    numbers: NDArray[np.intp]

    @property
    def n_fit(self) -> int:
        """Training images that trials may be fitted on."""
        return self.n_train - self.n_holdout

    def fit_rows(self, n: int | None = None) -> slice:
        """Rows to fit a trial on: the first ``n``, or all."""
        return slice(self.n_holdout, self.n_holdout + _at_most(n, self.n_fit))

    def holdout_rows(self, n: int | None = None) -> slice:
        """Rows to score a trial on: the first ``n``, or all."""
        return slice(0, _at_most(n, self.n_holdout))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the images, their labels, their order and what they are used for."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        digest.update(f"{self.n_holdout} {self.n_train}".encode())
        return digest.hexdigest()

    @property
    def validation_rows(self) -> slice:
        """The images that compare candidates."""
        return slice(self.n_train, len(self.labels))

    @property
    def all_rows(self) -> slice:
        """Training and validation images: what the winner is refitted on."""
        return slice(0, len(self.labels))


def _at_most(n: int | None, available: int) -> int:
    return available if n is None else min(max(n, 1), available)


def search_data(dataset: Any, holdout_share: float, seed: int) -> SearchData:
    """Arrange the training and validation images; the test images stay outside.

    The same seed gives every candidate the same order.

    Parameters
    ----------
    dataset : Dataset
        As `fmnist_lib.data.dataset.load_dataset` gives it.
    holdout_share : float in (0, 1)
        Share of the training images that scores trials.
    seed : int
    """
    train, validation = dataset.train, dataset.validation
    order = np.random.default_rng(seed).permutation(len(train.labels))
    return SearchData(
        images=np.concatenate([train.images[order], validation.images]),
        labels=np.concatenate([train.labels[order], validation.labels]),
        n_holdout=max(1, round(holdout_share * len(order))),
        n_train=len(order),
        numbers=np.concatenate([train.numbers[order], validation.numbers]),
    )
