"""Corrected labels, read from the table of suspects that a person has filled in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.data.formats.text_files import read_text

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

#: Columns that must be there; others are ignored.
COLUMNS = ("image", "given", "corrected")
#: A table of all 60,000 training images takes 6 MB.
_MAX_BYTES = 64 << 20
#: Digits of a position; int() refuses more than 4,300 with another error.
_MAX_DIGITS = 18


@dataclass(frozen=True, eq=False)
class Corrections:
    """Labels to replace.

    Attributes
    ----------
    images : ndarray of int, shape (n,)
        Positions in the training file, counted from 0; each once.
    labels : ndarray of uint8, shape (n,)
        The corrected labels, each different from the given one.
    """

    images: NDArray[np.intp]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        """Count the labels that change."""
        return len(self.images)

    def apply(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the labels of all images, corrected."""
        corrected = labels.copy()
        corrected[self.images] = self.labels
        return corrected


def read_corrections(path: Path, labels: NDArray[np.uint8]) -> Corrections:
    """Read a CSV table of corrections.

    Rows with an empty ``corrected``, or with the given label there, change nothing.

    Parameters
    ----------
    path : Path
        With the columns ``image``, ``given`` and ``corrected``: a position in the training file,
        and labels as class names or numbers.
    labels : ndarray of uint8, shape (n,)
        Of the training file.

    Raises
    ------
    DataError
        The table can't be read, names an image twice or one that does not exist, or its given
        labels are not those of the file: then it belongs to other data.
    """
    table = _read_table(path)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, {', '.join(missing)} is missing; "
            f"got {short_list(table.columns)}. `python -m cards labels RUN` writes such a table."
        )
    table = table[table["corrected"].str.strip() != ""]
    images = _images(path, table["image"], len(labels))
    given, corrected = (_labels(path, table, name) for name in ("given", "corrected"))
    different = np.flatnonzero(labels[images] != given)
    if len(different):
        raise DataError(
            f"{path}: expected the given labels of the training file, got others for "
            f"{len(different)} images ({short_list(images[different])}). The table was made for "
            "other data, or its images were renumbered."
        )
    changed = corrected != given
    return Corrections(images[changed], corrected[changed])


def _read_table(path: Path) -> pd.DataFrame:
    """Return the table as texts."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # pandas drops cells beyond the header with a warning only.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                read_text(path, _MAX_BYTES), dtype=str, keep_default_na=False, index_col=False
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        reason = str(error).removeprefix(f"{path}: ").rstrip(".")
        raise DataError(
            f"{path}: expected a CSV table of corrected labels, got: {reason}. "
            "`python -m cards labels RUN` writes one to fill in."
        ) from None


def _images(path: Path, column: pd.Series[str], n: int) -> NDArray[np.intp]:
    # Not by pandas, which does not strip all that Python calls white space, such as \x1e.
    cells = [cell.strip() for cell in column]
    wrong = [cell for cell in cells if not _is_position(cell, n)]
    if wrong:
        raise DataError(
            f"{path}: expected positions from 0 to {n - 1} in the column image, got "
            f"{short_list(wrong)}. Correct or delete these rows."
        )
    images = np.array([int(cell) for cell in cells], dtype=np.intp)
    values, counts = np.unique(images, return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"{path}: expected every image once, got {short_list(values[counts > 1])} more often. "
            "Keep one row of each."
        )
    return images


def _is_position(cell: str, n: int) -> bool:
    return cell.isdecimal() and len(cell) <= _MAX_DIGITS and int(cell) < n


def _labels(path: Path, table: pd.DataFrame, name: str) -> NDArray[np.uint8]:
    """Return a column of class names or numbers as labels."""
    known = {str(label): label for label in range(len(CLASS_NAMES))}
    known |= {class_name.lower(): label for label, class_name in enumerate(CLASS_NAMES)}
    cells = table[name].str.strip()
    wrong = sorted({cell for cell in cells if cell.lower() not in known})
    if wrong:
        raise DataError(
            f"{path}: expected class names ({', '.join(CLASS_NAMES)}) or their numbers in the "
            f"column {name}, got {short_list(wrong)}. Correct these cells."
        )
    return np.array([known[cell.lower()] for cell in cells], dtype=np.uint8)
