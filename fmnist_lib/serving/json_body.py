"""JSON bodies are checked before MLflow turns them into frames and arrays.

16 MB of JSON may hold five million lists, or objects of a million different keys, of which pandas
makes a frame of any size.
"""

from __future__ import annotations

import json
from typing import Any

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS
from fmnist_lib.serving.pyfunc import MAX_IMAGES, refuse_count

#: Columns: pixels, labels, names and an index.
_MAX_KEYS = 1000
#: Opening brackets: one per row of pixels, one per image, and a few around them.
_MAX_BRACKETS = MAX_IMAGES * (IMAGE_SHAPE[0] + 1) + 100


def check_json(body: bytes) -> None:
    """Check the number of images, of lists and of different keys.

    Parameters
    ----------
    body : bytes
        UTF-8.

    Raises
    ------
    DataError
        There are too many, or it is no JSON.
    """
    objects = body.count(b"{")
    brackets = body.count(b"[") + objects
    if brackets > _MAX_BRACKETS:
        raise DataError(
            f"JSON: expected at most {_MAX_BRACKETS} lists and objects, got {brackets}. Send at "
            f"most {MAX_IMAGES} images of 28 rows."
        )
    if body.count(b":") > _MAX_KEYS * (objects + 1):
        raise _too_many_keys()
    names: set[str] = set()

    def count_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names.update(name for name, _ in pairs)
        if len(names) > _MAX_KEYS:
            raise _too_many_keys()
        return dict(pairs)

    try:
        content = json.loads(body, object_pairs_hook=count_keys)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"JSON: expected an object with the images, got: {error}.") from None
    for images in content.values() if isinstance(content, dict) else ():
        for rows in images.values() if isinstance(images, dict) else [images]:
            if isinstance(rows, list):
                _check_rows(rows)


def _too_many_keys() -> DataError:
    return DataError(
        f"JSON: expected at most {_MAX_KEYS} different keys, got more. Name the pixels pixel1 to "
        "pixel784."
    )


def _check_rows(rows: list[Any]) -> None:
    """Check a list of images, of records, or of a column's values, and every list in it."""
    if len(rows) > MAX_IMAGES:
        refuse_count(len(rows))
    lists = [row for row in rows if isinstance(row, list)]
    while lists:
        longest = max(map(len, lists))
        if longest > _MAX_KEYS:
            raise DataError(
                f"JSON: expected images of {N_PIXELS} pixels, got a list of {longest} values. Send "
                "one list of pixels per image."
            )
        lists = [value for row in lists for value in row if isinstance(value, list)]
