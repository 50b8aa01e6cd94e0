"""Files that end with the SHA-256 of their content, so that damage is noticed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import partial_file

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST_BYTES = hashlib.sha256().digest_size


def write_sealed(path: Path, content: bytes) -> None:
    """Replace a file by ``content`` and its SHA-256; its directory is created if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.write(hashlib.sha256(content).digest())


def read_sealed(path: Path) -> memoryview:
    """Return the content of a file that `write_sealed` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    DataError
        Its content is not what was written.
    """
    whole = memoryview(path.read_bytes())
    content, digest = whole[:-_DIGEST_BYTES], whole[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise DataError(
            f"{path}: expected the SHA-256 of its content in the last {_DIGEST_BYTES} bytes, got "
            "another one: the file is damaged. Delete it."
        )
    return content
