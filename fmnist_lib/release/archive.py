"""Seal, verify and safely unpack a bundle's zip file.

The manifest holds the SHA-256 of every file. The rest of the zip file (headers, directory, dates)
is covered by the seal: a comment at the very end with the SHA-256 of all bytes before it.
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
from typing import IO, TYPE_CHECKING, Any

from fmnist_lib.common.errors import FmnistError
from fmnist_lib.release.reproduce import MANIFEST, SEAL, different_files, manifest_problems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Most unpacked bytes of a bundle, and most files.
MAX_BYTES, MAX_FILES = 20 * 10**9, 20_000
_PREFIX = b"fmnist-flow bundle sha256:"
_SEAL_LENGTH = len(_PREFIX) + 64
#: Length of a zip file's end record; its last two bytes are the length of the comment.
_END = 22
_CHUNK = 1 << 20
_STRUCTURE = "the zip file's own structure (header, directory or seal): changed"
_BROKEN = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile)
#: Characters that every file system and every shell accepts.
_SAFE = re.compile(r"[A-Za-z0-9._+@=-]+(/[A-Za-z0-9._+@=-]+)*")


class BundleError(FmnistError):
    """A bundle was changed, or is not safe to unpack."""


def seal(path: Path) -> None:
    """Append the SHA-256 of a zip file that has no comment yet."""
    with path.open("r+b") as file:
        # The seal covers the length of the comment.
        file.seek(-2, 2)
        file.write(struct.pack("<H", _SEAL_LENGTH))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, 2)
        file.write(_PREFIX + digest.encode())


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
        if is_sealed(path):
            return []
        return _different_members(path) or [_STRUCTURE]
    except (*_BROKEN, BundleError, struct.error, zlib.error, KeyError, TypeError) as error:
        return [f"{_STRUCTURE} ({error})"]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_sealed(path: Path) -> bool:
    """Return whether the seal matches all bytes before it."""
    size = path.stat().st_size - _SEAL_LENGTH
    if size < _END:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (chunk := file.read(min(_CHUNK, size))):
            digest.update(chunk)
            size -= len(chunk)
        found = file.read()
    return found == _PREFIX + digest.hexdigest().encode()


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
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BundleError(
            f"{directory}: expected a new or an empty directory, got one in use. Name another one."
        )
    problems = _unsafe(path) or verify(path)
    if problems:
        raise BundleError(
            f"{path.name}: expected an unchanged bundle, got: {'; '.join(problems[:5])}. "
            "Nothing was unpacked. Take the bundle from its source again."
        )
    created = not directory.exists()
    try:
        with zipfile.ZipFile(path) as archive:
            _extract_all(archive, directory, prefix)
    except BaseException:
        if created:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            _delete_content(directory)
        raise


def _delete_content(directory: Path) -> None:
    for path in directory.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _extract_all(archive: zipfile.ZipFile, directory: Path, prefix: str) -> None:
    """Write the members; a failure to write is not reported as a damaged bundle."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for member in archive.infolist():
            if member.filename.startswith(prefix):
                _extract(archive, member, directory / member.filename)
    except OSError as error:
        raise BundleError(
            f"{directory}: expected to write the bundle's files there, got: "
            f"{error.strerror or error}. Free some space, or name another directory."
        ) from error


def _unsafe(path: Path) -> list[str]:
    """List what must not be unpacked, even from an intact bundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except FileNotFoundError:
        raise BundleError(f"{path}: expected a bundle, found nothing. Check the path.") from None
    except (PermissionError, IsADirectoryError) as error:
        raise BundleError(
            f"{path}: expected a readable zip file, got: {error.strerror}. Check its permissions."
        ) from None
    except _BROKEN as error:
        return [f"{_STRUCTURE} ({error})"]
    names = [member.filename for member in members]
    problems = [f"{name!r}: unsafe name" for name in names if not _is_safe(name)]
    problems += [f"{m.filename}: not a regular file" for m in members if not _is_regular(m)]
    problems += [
        f"{name}: duplicate name" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    size = sum(member.file_size for member in members)
    if size > MAX_BYTES or len(members) > MAX_FILES:
        problems.append(
            f"{size} bytes in {len(members)} files, more than {MAX_BYTES} or {MAX_FILES}"
        )
    return problems


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    return bool(_SAFE.fullmatch(name)) and not {".", ".."} & set(parts)


def _is_regular(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    return kind in {0, stat.S_IFREG} and not member.is_dir()


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # "x": never through a link or over an existing file.
    with archive.open(member) as source, target.open("xb") as output:
        for chunk in _checked_chunks(source, member.filename):
            output.write(chunk)


def _different_members(path: Path) -> list[str]:
    """Name the members whose content or header was changed."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as raw:
        members = {member.filename: member for member in archive.infolist()}
        problems = _manifest_members(archive, members)
        for name, member in members.items():
            if not _header_matches(raw, member):
                problems.append(f"{name}: its header in the zip file changed")
    return list(dict.fromkeys(problems))


def _manifest_members(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> list[str]:
    manifest, sealed = (_content(archive, members.get(name)) for name in (MANIFEST, SEAL))
    problems = manifest_problems(manifest, sealed)
    if problems or manifest is None:
        return problems
    files: dict[str, Any] = json.loads(manifest)["files"]
    own = {MANIFEST, SEAL}
    problems += [f"{name}: missing" for name in sorted(files.keys() - members)]
    problems += [f"{name}: not part of the bundle" for name in sorted(members.keys() - files - own)]
    problems += [
        f"{name}: changed"
        for name in sorted(files.keys() & members)
        if _sha256(archive, members[name]) != files[name]
    ]
    return problems


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> bytes | None:
    """Return a small member, None when it is damaged or absent."""
    if member is None:
        return None
    try:
        return archive.read(member)
    except (*_BROKEN, zlib.error):
        return None


def _sha256(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    digest = hashlib.sha256()
    try:
        with archive.open(member) as source:
            for chunk in _chunks(source):
                digest.update(chunk)
    except (*_BROKEN, zlib.error):
        return None
    return digest.hexdigest()


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk


def _checked_chunks(source: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield a member's content; report a failure to read as such, not as one to write."""
    while True:
        try:
            chunk = source.read(_CHUNK)
        except OSError as error:
            raise BundleError(
                f"{name}: expected to read it from the bundle, got: {error.strerror or error}. "
                "Check the disk."
            ) from error
        if not chunk:
            return
        yield chunk


def _header_matches(raw: IO[bytes], member: zipfile.ZipInfo) -> bool:
    """Return whether the header before a member's content matches its directory entry."""
    raw.seek(member.header_offset)
    expected = member.FileHeader(zip64=True)
    return raw.read(len(expected)) == expected
