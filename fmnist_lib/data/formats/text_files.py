"""Text tables of unknown origin, unpacked within limits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.unpacking import opened

if TYPE_CHECKING:
    from pathlib import Path

#: Most bytes of a table that is read whole; Kaggle's 60,000 labels with their pixels take 133 MB.
MAX_BYTES = 256 << 20
#: Most lines: pandas takes up to 100 bytes for a cell of one letter.
MAX_LINES = 5_000_000
_CHUNK = 1 << 20


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> io.BytesIO:
    """Return the content of a text file, unpacked if it is compressed with gzip.

    Raises
    ------
    DataError
        The file is missing or damaged, or has more than `max_bytes` or `MAX_LINES`.
    """
    content, lines = io.BytesIO(), 0
    with opened(path) as file:
        while piece := file.read(_CHUNK):
            content.write(piece)
            lines += piece.count(b"\n")
            if content.tell() > max_bytes or lines > MAX_LINES:
                raise DataError(
                    f"{path.name}: expected a table of at most {max_bytes >> 20} MiB and "
                    f"{MAX_LINES} lines, got a larger one. Give the labels alone."
                )
    content.seek(0)
    return content
