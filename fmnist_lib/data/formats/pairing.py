"""Match labels from a separate file to images: by name if both have names, else by order."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.natural_order import natural_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fmnist_lib.data.formats.labels import BatchLabels

    Names = tuple[str, ...] | None
    Key = Callable[[str], str]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_BY_ORDER = "Leave the column of names out if the labels are in the order of the images."


class LabelsInOrder:
    """Labels matched to the images by position.

    Parameters
    ----------
    given : BatchLabels
    source, batch : str
        Files, for messages.

    Raises
    ------
    DataError
        The ids contradict the order of the labels and do not define another.
    """

    def __init__(self, given: BatchLabels, source: str, batch: str) -> None:
        self._labels = given.labels[_order(given, source)]
        self._source, self._batch, self._seen = source, batch, 0

    def take(self, names: Names, count: int) -> NDArray[np.uint8] | None:  # noqa: ARG002 (as LabelsByName.take)
        """Return the next labels, or None once there are too few."""
        start, self._seen = self._seen, self._seen + count
        return self._labels[start : self._seen] if self._seen <= len(self._labels) else None

    def finish(self) -> None:
        """Raise DataError unless there are as many labels as images."""
        if self._seen != len(self._labels):
            raise DataError(
                f"{self._source}: expected {self._seen} labels, one for every image in "
                f"{self._batch}, got {len(self._labels)}. Use two files that belong together."
            )


class LabelsByName:
    """Labels matched to the images by name.

    Parameters
    ----------
    given : BatchLabels
    key : callable
        Maps a name to the value that is compared.
    source, batch : str
    """

    def __init__(
        self, given: BatchLabels, key: Callable[[str], str], source: str, batch: str
    ) -> None:
        self._labels, self._ids, self._key = given.labels, given.ids or (), key
        self._rows = {key(name): row for row, name in enumerate(self._ids)}
        self._source, self._batch = source, batch
        self._used = np.zeros(len(self._ids), dtype=bool)

    def take(self, names: Names, count: int) -> NDArray[np.uint8]:  # noqa: ARG002 (as LabelsInOrder.take)
        """Return the labels of these images."""
        rows = [self._rows.get(self._key(name), -1) for name in names or ()]
        missing = [name for name, row in zip(names or (), rows, strict=True) if row < 0]
        if missing:
            self._refuse(f"got none for {short_list(missing)}")
        twice = [row for row, count in Counter(rows).items() if count > 1 or self._used[row]]
        if twice:
            self._refuse(
                f"got several images named like {short_list([self._ids[row] for row in twice])}"
            )
        self._used[rows] = True
        return self._labels[rows]

    def finish(self) -> None:
        """Raise DataError if labels are left over."""
        extra = [name for name, used in zip(self._ids, self._used, strict=True) if not used]
        if extra:
            self._refuse(f"got {len(extra)} for images that are missing: {short_list(extra)}")

    def _refuse(self, found: str) -> None:
        raise DataError(
            f"{self._source}: expected one label for every image in {self._batch}, {found}. "
            f"Use two files that belong together. {_BY_ORDER}"
        )


def pairing(
    given: BatchLabels, names: Names, source: str, batch: str
) -> LabelsInOrder | LabelsByName:
    """Choose how to match labels to images.

    Parameters
    ----------
    given : BatchLabels
    names : tuple of str, or None
        Names of the batch's first images.
    source, batch : str
        Files, for messages.

    Raises
    ------
    DataError
        The label file names an image twice or none of the images, or see `LabelsInOrder`.
    """
    if given.ids is None or names is None:
        return LabelsInOrder(given, source, batch)
    if given.is_named:
        _refuse_repeated(given.ids, source)
    key = _common_key(given.ids, names, partly=given.is_named)
    if key is not None:
        return LabelsByName(given, key, source, batch)
    if given.is_named and _integers(given.ids) is None:
        raise DataError(
            f"{source}: expected names of images in {batch} ({short_list(names)}), got "
            f"{short_list(given.ids)}. Use two files that belong together. {_BY_ORDER}"
        )
    return LabelsInOrder(given, source, batch)


def _common_key(ids: Sequence[str], names: Sequence[str], *, partly: bool) -> Key | None:
    """Return the strictest key function that matches the most names."""
    best: Key | None = None
    most = 0
    for key in (_exact, _file, _stem, _number):
        known = {key(name) for name in ids}
        found = sum(key(name) in known for name in names)
        if len(known) == len(ids) and found > most:
            best, most = key, found
    return best if most == len(names) or partly else None


def _exact(name: str) -> str:
    # macOS writes accents as separate combining characters.
    return unicodedata.normalize("NFC", name.strip())


def _file(name: str) -> str:
    return _exact(name).replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    lower = _file(name).casefold()
    ending = next((ending for ending in _PICTURES if lower.endswith(ending)), "")
    return lower.removesuffix(ending)


def _number(name: str) -> str:
    stem = _stem(name).removesuffix(".0")
    return str(int(stem)) if stem.isdecimal() and stem.isascii() else stem


def _order(given: BatchLabels, source: str) -> NDArray[np.intp] | slice:
    """Return the row order that the ids define."""
    if given.ids is None:
        return slice(None)
    numbers = _integers(given.ids)
    if numbers is None:
        return _order_of_texts(given.ids, source)
    if (np.diff(numbers) > 0).all():
        return slice(None)
    counted = len(set(numbers.tolist())) == np.ptp(numbers) + 1 == len(numbers)
    if given.is_named and counted:
        return np.argsort(numbers)
    if not given.is_named and not (counted and numbers.min() in (0, 1)):
        # Index of a subsample: its values are not positions in this batch.
        return slice(None)
    if given.is_named:
        _refuse_repeated(given.ids, source)
    raise DataError(
        f"{source}: expected labels in the order of the images, or a column 'id' that counts them, "
        f"got {'ids' if given.is_named else 'an index'} in another order "
        f"({short_list(given.ids)}). "
        + (_BY_ORDER if given.is_named else "Write the file with index=False, or name the index.")
    )


def _order_of_texts(ids: Sequence[str], source: str) -> slice:
    if list(ids) == sorted(ids, key=natural_key):
        return slice(None)
    raise DataError(
        f"{source}: expected labels in natural order of their images' names, because the batch "
        f"has no names to compare with, got {short_list(ids)}. Give the images with their names, "
        "or sort the labels in the order of the images and leave the names out."
    )


def _integers(ids: Sequence[str]) -> NDArray[np.int64] | None:
    plain = [name.removesuffix(".0") for name in ids]
    if not all(name.isdecimal() and name.isascii() and len(name) < 19 for name in plain):  # noqa: PLR2004 (int64)
        return None
    return np.array([int(name) for name in plain], dtype=np.int64)


def _refuse_repeated(ids: Sequence[str], source: str) -> None:
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise DataError(
            f"{source}: expected one label per image, got several for {short_list(repeated)}. "
            "Remove the wrong lines."
        )


def all_names(parts: Sequence[Names]) -> Names:
    """Return the names of all parts, or None unless every part has names."""
    known = [names for names in parts if names is not None]
    return tuple(chain.from_iterable(known)) if len(known) == len(parts) else None
