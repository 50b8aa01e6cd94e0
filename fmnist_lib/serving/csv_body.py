"""CSV bodies, with or without a header line."""

from __future__ import annotations

import csv

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import N_PIXELS
from fmnist_lib.features.frames import is_index, is_numbered

#: 786 names of 80 letters.
_MAX_LINE = 1 << 16
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
        There is no header and not 784 columns: the label column would be ambiguous.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    line = body[: min(_line_ends(body))]
    if len(line) > _MAX_LINE:
        raise DataError(
            f"CSV: expected a first line of at most {_MAX_LINE} bytes, got {len(line)}. Send one "
            "line per image."
        )
    cells = next(csv.reader([line.decode("utf-8", errors="replace")]), [])
    if not cells or _are_names(cells):
        return body
    if len(cells) != N_PIXELS:
        raise DataError(
            f"CSV: expected a header line, or {N_PIXELS} columns of pixels, got {len(cells)} "
            "columns without names. Name the columns pixel1 to pixel784 and, if there are labels, "
            "label."
        )
    return f"{_NUMBERS}\n".encode() + body


def _line_ends(body: bytes) -> list[int]:
    found = [body.find(b"\n"), body.find(b"\r")]
    return [place for place in found if place >= 0] or [len(body)]


def _are_names(cells: list[str]) -> bool:
    """Return whether a line is a header: text, or the numbers by which pandas names columns."""
    named = [cell for cell in cells if not is_index(cell)]
    return is_numbered(named, N_PIXELS) or any(not _is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        # An empty cell is a missing pixel.
        return not cell.strip()
    return True
