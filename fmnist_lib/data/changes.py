"""Compare the images and labels of two runs."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fmnist_lib.data.dataset import Split

_HASH_BYTES = 8


@dataclass(frozen=True, eq=False)
class RowIndex:
    """Hash and label of every image: nine bytes per image.

    Attributes
    ----------
    hashes : ndarray of uint64, shape (n,)
    labels : ndarray of uint8, shape (n,)
    """

    hashes: NDArray[np.uint64]
    labels: NDArray[np.uint8]

    @classmethod
    def of(cls, splits: Iterable[Split]) -> RowIndex:
        """Hash every image of some splits."""
        splits = list(splits)
        digests = b"".join(
            hashlib.blake2b(image.tobytes(), digest_size=_HASH_BYTES).digest()
            for split in splits
            for image in split.images
        )
        labels = np.concatenate([split.labels for split in splits])
        return cls(np.frombuffer(digests, np.uint64), labels)

    def to_bytes(self) -> bytes:
        """Return a compressed ``.npz`` file."""
        file = io.BytesIO()
        np.savez_compressed(file, hashes=self.hashes, labels=self.labels)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> RowIndex:
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return cls(file["hashes"], file["labels"])


@dataclass(frozen=True)
class DataChanges:
    """Difference between the data of a run and those of the champion.

    Attributes
    ----------
    champion : str
        Model version whose data are compared with.
    added, removed, relabelled, kept : int
        Images only in the run, only in the champion's data, in both with different labels, in
        both with the same label.
    before, after : tuple of int
        Images per class.
    """

    champion: str
    added: int
    removed: int
    relabelled: int
    kept: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def any(self) -> bool:
        """True if there is any difference."""
        return bool(self.added or self.removed or self.relabelled)

    @property
    def by_class(self) -> list[tuple[str, int, int]]:
        """Class, images before and after."""
        return list(zip(CLASS_NAMES, self.before, self.after, strict=True))


def compare_data(before: RowIndex, after: RowIndex, champion: str) -> DataChanges:
    """Count the differences; an image that occurs twice counts twice.

    Parameters
    ----------
    before, after : RowIndex
    champion : str
        Model version that `before` belongs to, for the report.
    """
    of_before, of_after = _counts(before.hashes, after.hashes)
    in_both = np.minimum(of_before, of_after).sum()
    pairs_before, pairs_after = _counts(_labelled(before), _labelled(after))
    kept = np.minimum(pairs_before, pairs_after).sum()
    return DataChanges(
        champion=champion,
        added=int(len(after.hashes) - in_both),
        removed=int(len(before.hashes) - in_both),
        relabelled=int(in_both - kept),
        kept=int(kept),
        before=tuple(np.bincount(before.labels, minlength=N_CLASSES).tolist()),
        after=tuple(np.bincount(after.labels, minlength=N_CLASSES).tolist()),
    )


def _labelled(index: RowIndex) -> NDArray[np.void]:
    """Return hash and label as one structured value per image."""
    rows = np.empty(len(index.hashes), dtype=[("hash", np.uint64), ("label", np.uint8)])
    rows["hash"], rows["label"] = index.hashes, index.labels
    return rows


def _counts(
    before: NDArray[np.generic], after: NDArray[np.generic]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of occurrences of each distinct value in either array."""
    values, positions = np.unique(np.concatenate([before, after]), return_inverse=True)
    n_before = np.bincount(positions[: len(before)], minlength=len(values))
    n_after = np.bincount(positions[len(before) :], minlength=len(values))
    return n_before, n_after
