"""Find the four data files in a directory, also under changed names.

``gunzip``, browsers and Kaggle rename them: ``train-images-idx3-ubyte``,
``train-images.idx3-ubyte``, ``train-images-idx3-ubyte (1).gz``, ``TRAIN-IMAGES-IDX3-UBYTE.GZ``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.natural_order import natural_key
from fmnist_lib.data.official_files import FILES, has_official_content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Suffix that browsers and file managers add to a second copy.
_COPY = re.compile(r"[\s_-]*(\(\d+\)|copy)$")
_NOT_DATA = (".part", ".lock", ".tmp")


def locate(directory: Path) -> dict[str, Path]:
    """Return the files found in a directory, keyed by official name.

    Order of precedence: the published name; that name without ``.gz``; names that differ only in
    case, punctuation and copy numbers; any name if the content is official.

    Parameters
    ----------
    directory : Path
        May be missing.

    Raises
    ------
    DataError
        Several files match one official name, and none has the official content.
    """
    found = {}
    files: list[Path] | None = None
    for name in FILES:
        known = [directory / name, directory / name.removesuffix(".gz")]
        exact = next((path for path in known if is_there(path, "is_file")), None)
        if exact is None:
            # The directory is listed only if a published name is missing.
            files = _files(directory) if files is None else files
            exact = _renamed(name, files)
        # Return a folder with the published name, so that the error message names it.
        if exact is None and is_there(known[0], "exists"):
            exact = known[0]
        if exact is not None:
            found[name] = exact
    return found


def describe_missing(directory: Path, found: dict[str, Path]) -> str:
    """Describe which files are missing and which others are there; empty for an empty directory."""
    missing = [name for name in FILES if name not in found]
    used = set(found.values())
    others = [path for path in _files(directory) if path not in used]
    if not found and not others:
        return ""
    near = sorted(others, key=lambda path: (not _resembles(path), natural_key(path.name)))
    names = short_list([str(path.relative_to(directory)) for path in near])
    there = f"; other files there: {names}" if near else ""
    return f"{directory} has {len(found)} of the 4 files, no {', '.join(missing)}{there}"


def is_there(path: Path, question: str) -> bool:
    """Call is_dir, is_file or exists; False if the path may not be accessed."""
    ask: Callable[[], bool] = getattr(path, question)
    try:
        return ask()
    except OSError:
        return False


def _files(directory: Path) -> list[Path]:
    """Return the files of a directory and of its direct sub-folders (unpacked archives)."""
    try:
        paths = [*directory.glob("[!.]*"), *directory.glob("[!.]*/[!.]*")]
    except OSError:
        return []
    files = [path for path in paths if is_there(path, "is_file")]
    kept = [path for path in files if not path.name.endswith(_NOT_DATA)]
    return sorted(kept, key=lambda path: (len(path.parts), natural_key(str(path))))


def _renamed(name: str, files: list[Path]) -> Path | None:
    wanted = _normalise(name)
    similar = [path for path in files if _normalise(path.name) == wanted]
    if len(similar) == 1:
        return similar[0]
    sizes = {FILES[name].size, FILES[name].unpacked_size}
    likely = similar or [path for path in files if path.stat().st_size in sizes]
    official = next((path for path in likely if has_official_content(path, name)), None)
    if official is None and similar:
        raise DataError(
            f"{similar[0].parent}: expected one file for {name}, got {len(similar)}: "
            f"{short_list([path.name for path in similar])}. Keep one of them."
        )
    return official


def _normalise(name: str) -> str:
    """Return a name without ``.gz``, copy number and case, with punctuation as hyphens."""
    plain, before = name.casefold(), ""
    while plain != before:
        before = plain
        for ending in (".gz", ".gzip", ".bin"):
            plain = plain.removesuffix(ending)
        plain = _COPY.sub("", plain)
    return re.sub(r"[\s._-]+", "-", plain)


def _resembles(path: Path) -> bool:
    """Return True if a name begins like one of the four: these are listed first."""
    plain = _normalise(path.name).replace("test-", "t10k-")
    return any(plain.startswith(_normalise(name).partition("-idx")[0]) for name in FILES)
