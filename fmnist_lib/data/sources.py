"""Find the four files: a named directory, the default places, a download, or none."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fmnist_lib.data.download import download
from fmnist_lib.data.files import FILES, MIRRORS, sha256_of
from fmnist_lib.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fmnist_lib.config import DataConfig
    from fmnist_lib.data.version import Origin

logger = logging.getLogger(__name__)

CHECKSUMS_FILE = "SHA256SUMS"
_SHA256_LENGTH = 64


@dataclass(frozen=True)
class Source:
    """Verified files, or none for generated images.

    Attributes
    ----------
    origin : {"official", "custom", "synthetic"}
    directory : Path or None
    paths : dict of str to Path
        The file of every official name; a file may lie unpacked, without ``.gz``.
    checksums : dict of str to str
        SHA-256 of every file, by the name it really has.
    """

    origin: Origin
    directory: Path | None = None
    paths: dict[str, Path] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """Directory as text, or "generated"."""
        return "generated" if self.directory is None else str(self.directory)


def find_source(
    config: DataConfig,
    project_root: Path,
    cache: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> Source:
    """Find and verify the data files.

    A directory named in the configuration is the only place looked at. Otherwise, in order: the
    cache, ``data/fashion-mnist`` in the project, ``../shared/fashion-mnist`` beside it, and a
    download into the cache; the files must then match the official checksums. With none
    reachable, images are generated if the configuration allows it.

    Parameters
    ----------
    config : DataConfig
        ``directory`` (a relative one starts at the working directory), ``synthetic_fallback``.
    project_root : Path
    cache : Path, optional
        Where downloads are kept; default: the user's cache directory of ``fmnist-flow``.
    mirrors : sequence of str
        Base URLs of the download.

    Raises
    ------
    DataError
        The named directory is missing, incomplete or damaged; a default directory is damaged; or
        no source can be reached and generated images are not wanted.
    """
    if config.directory is not None:
        return _named_directory(Path(config.directory).expanduser().absolute())
    cache = cache or default_cache()
    places = (
        cache,
        project_root / "data" / "fashion-mnist",
        project_root.parent / "shared" / "fashion-mnist",
    )
    for directory in places:
        if _is_complete(directory):
            return _official_directory(directory)
    return _downloaded(config, cache, places, mirrors)


def default_cache() -> Path:
    """Return the user's cache directory on this operating system."""
    from platformdirs import user_cache_path

    return user_cache_path("fmnist-flow")


def _named_directory(directory: Path) -> Source:
    """Files of any content in the four-file format."""
    if not _is(directory, Path.is_dir):
        raise DataError(
            f"{directory}: expected a directory with the four data files, found none. Check "
            "`data.directory` or `--data-dir`; leave it out for the default sources."
        )
    paths = {name: _packed_or_not(directory, name) for name in FILES}
    missing = [name for name, path in paths.items() if not _is(path, Path.exists)]
    if missing:
        raise DataError(
            f"{directory}: expected the four data files, found no {', '.join(missing)}. Add what "
            "is missing, or leave the directory out for the default sources."
        )
    checksums = {path.name: sha256_of(path) for path in paths.values()}
    _compare(checksums, _listed_checksums(directory / CHECKSUMS_FILE), directory)
    official = {file.name: file.sha256 for file in FILES.values()}
    origin: Origin = "official" if checksums == official else "custom"
    if origin == "custom":
        logger.warning("%s holds other data than the official Fashion-MNIST", directory)
    return Source(origin, directory, paths, checksums)


def _official_directory(directory: Path) -> Source:
    """Files that must be the official ones."""
    paths = {name: directory / name for name in FILES}
    checksums = {name: sha256_of(path) for name, path in paths.items()}
    for name, file in FILES.items():
        if checksums[name] != file.sha256:
            raise DataError(
                f"{paths[name]}: expected the official file with SHA-256 {file.sha256}, got "
                f"{checksums[name]}: it is damaged or something else. Delete it and run again to "
                "fetch a fresh copy, or name the directory with `--data-dir` to use it as it is."
            )
    return Source("official", directory, paths, checksums)


def _downloaded(
    config: DataConfig, cache: Path, places: Sequence[Path], mirrors: Sequence[str]
) -> Source:
    looked = ", ".join(str(place) for place in places)
    try:
        for name in FILES:
            download(name, cache, mirrors)
    except DataError as error:
        if not config.synthetic_fallback:
            raise DataError(
                f"Fashion-MNIST: expected the four files in one of {looked}, or a download, got "
                f"neither. {error}"
            ) from None
        logger.warning(
            "SYNTHETIC DATA: no Fashion-MNIST in %s, and no download. %s Going on with generated "
            "images: the results say nothing about Fashion-MNIST.",
            looked,
            error,
        )
        return Source("synthetic")
    return _official_directory(cache)


def _is_complete(directory: Path) -> bool:
    found = [name for name in FILES if _is(directory / name, Path.exists)]
    if found and len(found) < len(FILES):
        logger.info("%s holds only %d of %d files: skipped", directory, len(found), len(FILES))
    return len(found) == len(FILES)


def _packed_or_not(directory: Path, name: str) -> Path:
    """The file as published, or unpacked as other tools leave it."""
    unpacked = directory / name.removesuffix(".gz")
    packed = directory / name
    return unpacked if _is(unpacked, Path.exists) and not _is(packed, Path.exists) else packed


def _listed_checksums(path: Path) -> dict[str, str]:
    """Lines of ``sha256sum``: checksum, two characters, name."""
    if not _is(path, Path.exists):
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: expected readable text, got: {error}. Mend or delete it."
        ) from None
    listed = {}
    for number, line in enumerate(lines, start=1):
        checksum, _, name = line.strip().partition(" ")
        if not line.strip() or line.startswith("#"):
            continue
        if len(checksum) != _SHA256_LENGTH or not name.strip():
            raise DataError(
                f"{path}: expected lines of `sha256sum` (checksum, file name), got {line[:80]!r} "
                f"in line {number}. Make it anew with `sha256sum *.gz > {CHECKSUMS_FILE}`."
            )
        listed[name.strip().removeprefix("*").removeprefix("./")] = checksum.lower()
    return listed


def _compare(found: dict[str, str], listed: dict[str, str], directory: Path) -> None:
    for name, checksum in found.items():
        if listed.get(name, checksum) != checksum:
            raise DataError(
                f"{directory / name}: expected SHA-256 {listed[name]} as in {CHECKSUMS_FILE}, got "
                f"{checksum}: the file was changed or damaged. Restore it, or renew "
                f"{CHECKSUMS_FILE} if the change was meant."
            )


def _is(path: Path, question: Callable[[Path], bool]) -> bool:
    """Answer is_dir or exists; a place that may not be looked into counts as absent."""
    try:
        return question(path)
    except OSError:
        return False
