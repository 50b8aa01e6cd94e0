"""Find the four data files: in a named directory, in default directories, or by download."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import sha256_of
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.data.download import download
from fmnist_lib.data.locate_files import describe_missing, is_there, locate
from fmnist_lib.data.official_files import FILES, MIRRORS, has_official_content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmnist_lib.common.data_version import Origin
    from fmnist_lib.config.training import DataConfig

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
        Path of each file by official name; it may be unpacked or renamed, see `locate`.
    checksums : dict of str to str
        SHA-256 of each file, by actual file name.
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

    If the configuration names a directory, only that is searched. Otherwise, in order: the
    cache, ``data/fashion-mnist`` in the project, ``../shared/fashion-mnist`` beside it, and a
    download into the cache; the files must then have the official content, which may be unpacked
    or recompressed. If none is available, images are generated if the configuration allows it.

    Parameters
    ----------
    config : DataConfig
        ``directory`` (relative to the working directory), ``synthetic_fallback``.
    project_root : Path
    cache : Path, optional
        Directory for downloads; default: the user's cache directory of ``fmnist-flow``.
    mirrors : sequence of str
        Base URLs of the download; empty: an error instead of a download or generated images.

    Raises
    ------
    DataError
        The named directory is missing, incomplete or damaged; a default directory is damaged; or
        no source is available and generated images are not allowed.
    """
    if config.directory is not None:
        return _named_directory(resolve_path(config.directory))
    cache = cache or default_cache()
    places = (
        cache,
        project_root / "data" / "fashion-mnist",
        project_root.parent / "shared" / "fashion-mnist",
    )
    incomplete = []
    for directory in places:
        found = locate(directory)
        if len(found) == len(FILES):
            return _official_directory(directory, found)
        incomplete += [note] if (note := describe_missing(directory, found)) else []
    for note in incomplete:
        logger.warning("%s: skipped", note)
    return _downloaded(config, cache, places, mirrors, "".join(map(_sentence, incomplete)))


def _sentence(note: str) -> str:
    return f" {note}." if note else ""


def default_cache() -> Path:
    """Return the user's cache directory on this operating system."""
    from platformdirs import user_cache_path

    return user_cache_path("fmnist-flow")


def _named_directory(directory: Path) -> Source:
    """Return a source from a directory with the four files, whatever their content."""
    if not is_there(directory, "is_dir"):
        raise DataError(
            f"{directory}: expected a directory with the four data files, found none. Check "
            "`data.directory` or `--data-dir`; leave it out for the default sources."
        )
    paths = locate(directory)
    missing = [name for name in FILES if name not in paths]
    if missing:
        raise DataError(
            f"{directory}: expected the four data files, found no {', '.join(missing)}."
            f"{_sentence(describe_missing(directory, paths))} Add or rename what is missing, or "
            "leave the directory out for the default sources."
        )
    checksums = {path.name: sha256_of(path) for path in paths.values()}
    _compare(checksums, _listed_checksums(directory / CHECKSUMS_FILE), directory)
    if all(has_official_content(path, name, checksums[path.name]) for name, path in paths.items()):
        _warn_if_repacked(directory, paths, checksums)
        return Source("official", directory, paths, checksums)
    logger.warning("%s holds other data than the official Fashion-MNIST", directory)
    return Source("custom", directory, paths, checksums)


def _official_directory(directory: Path, paths: dict[str, Path]) -> Source:
    """Return a source from a directory whose files must be the official ones."""
    checksums = {path.name: sha256_of(path) for path in paths.values()}
    for name, path in paths.items():
        if not has_official_content(path, name, checksums[path.name]):
            raise DataError(
                f"{path}: expected the official file with SHA-256 {FILES[name].sha256}, got "
                f"{checksums[path.name]}: it is damaged or another file. Delete it and run again "
                "to fetch a fresh copy, or name the directory with `--data-dir` to use it as it is."
            )
    _warn_if_repacked(directory, paths, checksums)
    return Source("official", directory, paths, checksums)


def _warn_if_repacked(directory: Path, paths: dict[str, Path], checksums: dict[str, str]) -> None:
    others = [
        path.name for name, path in paths.items() if checksums[path.name] != FILES[name].sha256
    ]
    if others:
        logger.warning(
            "%s: official content, but unpacked, renamed or recompressed: %s",
            directory,
            ", ".join(others),
        )


def _downloaded(
    config: DataConfig, cache: Path, places: Sequence[Path], mirrors: Sequence[str], near: str
) -> Source:
    looked = ", ".join(str(place) for place in places)
    if not mirrors:
        raise DataError(
            f"Fashion-MNIST: expected the four files in one of {looked}, found them in none.{near} "
            "Name their directory, or run `python -m fmnist_lib data download`."
        )
    try:
        for name in FILES:
            download(name, cache, mirrors)
    except DataError as error:
        if not config.synthetic_fallback:
            raise DataError(
                f"Fashion-MNIST: expected the four files in one of {looked}, or a download, got "
                f"neither.{near} {error}"
            ) from None
        logger.warning(
            "SYNTHETIC DATA: no Fashion-MNIST in %s, and no download.%s %s Continuing with "
            "generated images: the results say nothing about Fashion-MNIST.",
            looked,
            near,
            error,
        )
        return Source("synthetic")
    return _official_directory(cache, locate(cache))


def _listed_checksums(path: Path) -> dict[str, str]:
    """Return the checksums listed in a file of ``sha256sum``, by file name."""
    if not is_there(path, "exists"):
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: expected readable text, got: {error}. Fix or delete it."
        ) from None
    listed = {}
    for number, line in enumerate(lines, start=1):
        checksum, _, name = line.strip().partition(" ")
        if not line.strip() or line.startswith("#"):
            continue
        if len(checksum) != _SHA256_LENGTH or not name.strip():
            raise DataError(
                f"{path}: expected lines of `sha256sum` (checksum, file name), got {line[:80]!r} "
                f"in line {number}. Recreate it with `sha256sum *.gz > {CHECKSUMS_FILE}`."
            )
        listed[name.strip().removeprefix("*").removeprefix("./")] = checksum.lower()
    return listed


def _compare(found: dict[str, str], listed: dict[str, str], directory: Path) -> None:
    for name, checksum in found.items():
        if listed.get(name, checksum) != checksum:
            raise DataError(
                f"{directory / name}: expected SHA-256 {listed[name]} as in {CHECKSUMS_FILE}, got "
                f"{checksum}: the file was changed or damaged. Restore it, or update "
                f"{CHECKSUMS_FILE} if the change was intended."
            )
