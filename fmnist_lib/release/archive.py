"""Seal, verify and safely unpack a bundle's zip file.

The manifest holds the SHA-256 of every file. It does not cover the zip file's own bytes (headers,
directory, padding); the seal does: the comment at the file's end with the SHA-256 of all bytes
before it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from typing import IO, TYPE_CHECKING

from fmnist_lib.common.errors import FmnistError
from fmnist_lib.common.files import most_unpacked, require_unused
from fmnist_lib.release.reproduce import MANIFEST, SEAL, different_files, manifest_problems

if TYPE_CHECKING:
    from pathlib import Path

#: Most unpacked bytes of a bundle, if it is not smaller than plausible, and most files.
MAX_BYTES, MAX_FILES = 20 * 10**9, 20_000
#: Most bytes of the manifest, which takes 100 per file.
_MAX_MANIFEST = 16 << 20
_PREFIX = b"fmnist-flow bundle sha256:"
_DIGEST_LENGTH = 64
_CHUNK = 1 << 20
_STRUCTURE = "the zip file's own structure (header, directory or seal): changed"
#: Errors of `zipfile` for a damaged file.
_BROKEN = (
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    KeyError,
    TypeError,
)
#: Characters that every file system and every shell accepts.
_SAFE = re.compile(r"[A-Za-z0-9._+@=-]+(/[A-Za-z0-9._+@=-]+)*")


class BundleError(FmnistError):
    """A bundle was changed, or is not safe to unpack."""


def seal(path: Path) -> None:
    """Set the comment of a zip file to the SHA-256 of all bytes before the comment."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = _PREFIX + b"0" * _DIGEST_LENGTH
    with path.open("r+b") as file:
        digest = _digest_before_seal(file)
        file.seek(-_DIGEST_LENGTH, 2)
        file.write(digest)


def is_sealed(path: Path) -> bool:
    """Return whether the seal matches all bytes before it."""
    with path.open("rb") as file:
        digest = _digest_before_seal(file)
        return file.read() == _PREFIX + digest


def _digest_before_seal(file: IO[bytes]) -> bytes:
    """Return the SHA-256 of all bytes before the seal, hexadecimal; read the file up to there."""
    left = file.seek(0, 2) - len(_PREFIX) - _DIGEST_LENGTH
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        chunk = file.read(min(_CHUNK, left))
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()


def verify(path: Path) -> list[str]:
    """List everything in a bundle, packed or unpacked, that was changed.

    Parameters
    ----------
    path : Path
        Zip file, or the directory it was unpacked to.

    Returns
    -------
    list of str
        Empty when every byte is unchanged. An unpacked bundle may also contain other files (see
        `fmnist_lib.release.reproduce.other_files`), but no added modules beside packed files.
    """
    if path.is_dir():
        return different_files(path)
    if not path.is_file():
        raise BundleError(f"{path}: expected a bundle, found nothing. Check the path.")
    try:
        return [] if is_sealed(path) else _different_members(path) or [_STRUCTURE]
    except _BROKEN as error:
        return [f"{_STRUCTURE} ({error})"]


def _different_members(path: Path) -> list[str]:
    """Name the members whose content was changed, by the manifest."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        manifest, digest = (_read_or_none(archive, name) for name in (MANIFEST, SEAL))
        problems = manifest_problems(manifest, digest)
        if problems or manifest is None:
            return problems
        files: dict[str, str] = json.loads(manifest)["files"]
        extra = names - files.keys() - {MANIFEST, SEAL}
        problems = [f"{name}: missing" for name in sorted(files.keys() - names)]
        problems += [f"{name}: not part of the bundle" for name in sorted(extra)]
        return problems + [
            f"{name}: changed"
            for name in sorted(files.keys() & names)
            if _sha256_or_none(archive, name) != files[name]
        ]


def _read_or_none(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Return a small member; None if it is damaged, absent or large."""
    try:
        is_small = archive.getinfo(name).file_size <= _MAX_MANIFEST
        return archive.read(name) if is_small else None
    except _BROKEN:
        return None


def _sha256_or_none(archive: zipfile.ZipFile, name: str) -> str | None:
    """Return the SHA-256 of a member, hexadecimal; None if it is damaged."""
    try:
        with archive.open(name) as member:
            # Typed as IO[bytes], which lacks the method readinto that zipfile's readers have.
            return hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
    except _BROKEN:
        return None


def unpack(path: Path, directory: Path, prefix: str = "") -> None:
    """Unpack a bundle into a new directory; on failure nothing remains.

    Parameters
    ----------
    path : Path
        Zip file.
    directory : Path
        Must not exist, or be empty.
    prefix : str, default=""
        Only files whose name begins so.

    Raises
    ------
    BundleError
        The bundle was changed; a name is absolute, leads outside, or is not a regular file's; it
        is too large; or the directory is in use.
    """
    require_unused(directory, BundleError)
    problems = _unsafe(path) or verify(path)
    if problems:
        raise BundleError(
            f"{path.name}: expected an unchanged bundle, got: {'; '.join(problems[:5])}. "
            "Nothing was unpacked. Take the bundle from its source again."
        )
    created = not directory.exists()
    try:
        _extract(path, directory, prefix)
    except BaseException:
        _delete_content(directory)
        if created:
            shutil.rmtree(directory, ignore_errors=True)
        raise


def _extract(path: Path, directory: Path, prefix: str) -> None:
    """Write the members; a failure to write is not reported as a damaged bundle."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.startswith(prefix):
                    target = directory / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    # "x": never through a link or over an existing file.
                    with archive.open(name) as source, target.open("xb") as output:
                        shutil.copyfileobj(source, output)
    except OSError as error:
        raise BundleError(
            f"{directory}: expected to write the bundle's files there, got: "
            f"{error.strerror or error}. Free some space, or name another directory."
        ) from error


def _delete_content(directory: Path) -> None:
    for path in directory.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _unsafe(path: Path) -> list[str]:
    """List what must not be unpacked, even from an intact bundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise BundleError(
            f"{path}: expected a readable zip file, got: {error.strerror}. Check the path and its "
            "permissions."
        ) from None
    except _BROKEN as error:
        return [f"{_STRUCTURE} ({error})"]
    names = [member.filename for member in members]
    problems = [f"{name!r}: unsafe name" for name in names if not _is_safe(name)]
    problems += [f"{m.filename}: not a regular file" for m in members if not _is_regular(m)]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    problems += [f"{name}: duplicate name" for name in sorted(repeated)]
    size, most = sum(member.file_size for member in members), min(MAX_BYTES, most_unpacked(path))
    if size > most or len(members) > MAX_FILES:
        problems.append(f"{size} bytes in {len(members)} files, more than {most} or {MAX_FILES}")
    return problems


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    return bool(_SAFE.fullmatch(name)) and not {".", ".."} & set(parts)


def _is_regular(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    return kind in {0, stat.S_IFREG} and not member.filename.endswith("/")
