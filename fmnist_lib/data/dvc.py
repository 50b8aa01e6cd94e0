"""Compute the DVC hash of the data files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def dvc_version(paths: Collection[Path]) -> str:
    """Return the ``md5`` that `dvc add` writes for a directory with exactly these files.

    Parameters
    ----------
    paths : collection of Path

    Returns
    -------
    str
        32 hexadecimal digits and ``.dir``; empty when there is no file.

    References
    ----------
    https://dvc.org/doc/user-guide/project-structure/internal-files#structure-of-the-cache-directory
    """
    if not paths:
        return ""
    names = sorted(paths, key=lambda path: path.name)
    listing = [{"md5": md5_of(path), "relpath": path.name} for path in names]
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, hexadecimal: DVC's identifier, not a security measure."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest()
