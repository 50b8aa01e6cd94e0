"""Which files of a directory are the four data files, under whatever name tools left them.

``gunzip``, browsers and Kaggle rename them: ``train-images-idx3-ubyte``,
``train-images.idx3-ubyte``, ``train-images-idx3-ubyte (1).gz``, ``TRAIN-IMAGES-IDX3-UBYTE.GZ``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fmnist_lib.data.files import FILES, has_official_content
from fmnist_lib.errors import DataError
from fmnist_lib.features.frames import few
from fmnist_lib.natural_order import natural_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What browsers and file managers add to a second copy.
_COPY = re.compile(r"[\s_-]*(\(\d+\)|copy)$")
_NOT_DATA = (".part", ".lock", ".tmp")


def locate(directory: Path) -> dict[str, Path]:
    """Return the file of each official name that the directory has, by that name.

    The published name comes first, then that name without ``.gz``, then names that differ in
    case, dots and copy numbers only, then any name if the content is the official one.

    Parameters
    ----------
    directory : Path
        It need not exist.

    Raises
    ------
    DataError
        Several files could be the same one, and none is official.
    """
    found = {}
    files: list[Path] | None = None
    for name in FILES:
        known = [directory / name, directory / name.removesuffix(".gz")]
        exact = next((path for path in known if is_there(path, "is_file")), None)
        if exact is None:
            # Listed only where a published name is missing.
            files = _files(directory) if files is None else files
            exact = _renamed(name, files)
        # A folder of the published name is what the message has to be about.
        if exact is None and is_there(known[0], "exists"):
            exact = known[0]
        if exact is not None:
            found[name] = exact
    return found


def describe_missing(directory: Path, found: dict[str, Path]) -> str:
    """Say what a directory lacks and what lies there instead; empty if there is nothing at all."""
    missing = [name for name in FILES if name not in found]
    used = set(found.values())
    others = [path for path in _files(directory) if path not in used]
    if not found and not others:
        return ""
    near = sorted(others, key=lambda path: (not _resembles(path), natural_key(path.name)))
    names = few([str(path.relative_to(directory)) for path in near])
    there = f"; other files there: {names}" if near else ""
    return f"{directory} has {len(found)} of the 4 files, no {', '.join(missing)}{there}"


def is_there(path: Path, question: str) -> bool:
    """Answer is_dir, is_file or exists; a place that may not be looked into counts as absent."""
    ask: Callable[[], bool] = getattr(path, question)
    try:
        return ask()
    except OSError:
        return False


def _files(directory: Path) -> list[Path]:
    """Files of a directory and of folders within it, as unpacked archives have them."""
    try:
        paths = [*directory.glob("[!.]*"), *directory.glob("[!.]*/[!.]*")]
    except OSError:
        return []
    files = [path for path in paths if is_there(path, "is_file")]
    kept = [path for path in files if not path.name.endswith(_NOT_DATA)]
    return sorted(kept, key=lambda path: (len(path.parts), natural_key(str(path))))


def _renamed(name: str, files: list[Path]) -> Path | None:
    wanted = _plain(name)
    similar = [path for path in files if _plain(path.name) == wanted]
    if len(similar) == 1:
        return similar[0]
    sizes = {FILES[name].size, FILES[name].unpacked_size}
    likely = similar or [path for path in files if path.stat().st_size in sizes]
    official = next((path for path in likely if has_official_content(path, name)), None)
    if official is None and similar:
        raise DataError(
            f"{similar[0].parent}: expected one file for {name}, got {len(similar)}: "
            f"{few([path.name for path in similar])}. Keep one of them."
        )
    return official


def _plain(name: str) -> str:
    """Return a name without ``.gz``, copy numbers and case, all its marks written as hyphens."""
    plain, before = name.casefold(), ""
    while plain != before:
        before = plain
        for ending in (".gz", ".gzip", ".bin"):
            plain = plain.removesuffix(ending)
        plain = _COPY.sub("", plain)
    return re.sub(r"[\s._-]+", "-", plain)


def _resembles(path: Path) -> bool:
    """Tell whether a name begins like one of the four: these are listed first."""
    plain = _plain(path.name).replace("test-", "t10k-")
    return any(plain.startswith(_plain(name).partition("-idx")[0]) for name in FILES)
