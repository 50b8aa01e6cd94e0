"""CSV bodies, with or without a header line."""

from __future__ import annotations

import csv

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import N_PIXELS
from fmnist_lib.data.formats.tables import is_text
from fmnist_lib.features.frames import is_index, is_numbered
from fmnist_lib.serving.pyfunc import MAX_IMAGES

#: The pixels, labels, names and an index; of longer lines pandas makes an index of columns.
_MAX_COMMAS = 1000
_NUMBERS = ",".join(str(number) for number in range(N_PIXELS))


def with_names(body: bytes) -> bytes:
    """Return a CSV body that begins with a header line.

    MLflow treats the first line as the header, whatever it holds. Without a header the columns are
    the pixels in their order.

    Parameters
    ----------
    body : bytes
        UTF-8.

    Raises
    ------
    DataError
        There is no header and not 784 columns: the label column would be ambiguous. Or there are
        more lines than images allowed, or one is longer than any table of images has.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    lines = body.splitlines()
    widest = max((line.count(b",") for line in lines), default=0)
    if len(lines) > 2 * (MAX_IMAGES + 1) or widest > _MAX_COMMAS:
        raise DataError(
            f"CSV: expected at most {MAX_IMAGES} lines of {N_PIXELS} pixels, got {len(lines)} "
            f"lines, and up to {widest} commas in one. Send one line per image."
        )
    line = lines[0] if lines else b""
    try:
        cells = next(csv.reader([line.decode("utf-8", errors="replace")]), [])
    except csv.Error as error:
        raise DataError(
            f"CSV: expected a readable first line, got: {error}. Send one number per cell."
        ) from error
    if not cells or _are_names(cells):
        return body
    if len(cells) != N_PIXELS:
        raise DataError(
            f"CSV: expected a header line, or {N_PIXELS} columns of pixels, got {len(cells)} "
            "columns without names. Name the columns pixel1 to pixel784 and, if there are labels, "
            "label."
        )
    return f"{_NUMBERS}\n".encode() + body


def _are_names(cells: list[str]) -> bool:
    """Return whether a line is a header: text, or the numbers by which pandas names columns."""
    named = [cell for cell in cells if not is_index(cell)]
    return is_numbered(named, N_PIXELS) or any(is_text(cell) for cell in cells)
