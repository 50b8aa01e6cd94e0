"""Fetch an official file: resumed, checked, and put in its place in one step."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from fmnist_lib.data.files import FILES, MIRRORS, OfficialFile, sha256_of
from fmnist_lib.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import requests

logger = logging.getLogger(__name__)

#: Tries of one mirror that bring the download no further before the next mirror is asked.
ATTEMPTS = 3
RETRY_SECONDS = 1.0
#: Seconds to connect, and seconds without a byte.
TIMEOUT = (5.0, 30.0)
#: Seconds to wait for another run that downloads the same file.
LOCK_SECONDS = 1800.0
_CHUNK = 1 << 16
_OK, _PARTIAL, _BAD_RANGE, _TOO_MANY, _SERVER_ERROR = 200, 206, 416, 429, 500


class _TryAgainError(Exception):
    """The same mirror may do better next time."""


class _MirrorError(Exception):
    """A mirror won't do; ask the next."""


def download(
    name: str, directory: Path, mirrors: Sequence[str] = MIRRORS, progress: bool = True
) -> Path:
    """Bring one official file into a directory.

    Nothing is fetched when the file is there and intact. A broken download goes on where it
    stopped, also in a later run. The file appears only whole and with the right checksum, and
    several processes may ask for it at once.

    Parameters
    ----------
    name : str
        One of `fmnist_lib.data.files.FILES`.
    directory : Path
        Made if it isn't there.
    mirrors : sequence of str
        Base URLs, asked in order.
    progress : bool, default=True
        Show a progress bar when stderr is a terminal.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        No mirror delivered the file (the message has every mirror's reason), the directory can't
        be written, or another run holds the lock for more than half an hour.
    """
    from filelock import FileLock, Timeout

    file, target = FILES[name], directory / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{name}.lock", timeout=LOCK_SECONDS):
            if not target.is_file() or sha256_of(target) != file.sha256:
                _fetch(file, target, mirrors, progress)
    except Timeout:
        raise DataError(
            f"{target}: expected another run's download to end within {LOCK_SECONDS:.0f} s, it is "
            "still going on. End that run, or wait for it."
        ) from None
    except OSError as error:
        raise DataError(
            f"{target}: expected to write the file, got: {error.strerror or error}. Make room or "
            "give write permission there."
        ) from None
    return target


def _fetch(file: OfficialFile, target: Path, mirrors: Sequence[str], progress: bool) -> None:
    part = target.with_name(f"{target.name}.part")
    reasons = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}"
        try:
            _fetch_from(url, file, part, progress)
        except _MirrorError as error:
            logger.warning("%s: %s", url, error)
            reasons.append(f"{url}: {error}")
        else:
            part.replace(target)
            return
    raise DataError(
        f"{file.name}: expected a download of {file.size} bytes, got none from "
        f"{len(mirrors)} mirrors ({'; '.join(reasons)}). Check the network, or put the file into "
        f"{target.parent} yourself."
    )


def _fetch_from(url: str, file: OfficialFile, part: Path, progress: bool) -> None:
    """Fill the part file with the right bytes from one mirror, or raise `_MirrorError`."""
    import requests
    import urllib3

    logger.info("Downloading %s (%.1f MB)", url, file.size / 1e6)
    failures, best = 0, _size(part)
    while True:
        resumed = _size(part) > 0
        try:
            if _size(part) != file.size:
                _stream(url, file, part, progress)
            if _is_right(file, part, resumed):
                return
            reason = "the bytes that an earlier attempt left were wrong"
        # urllib3's own errors come through where the raw bytes are read.
        except (requests.RequestException, urllib3.exceptions.HTTPError, _TryAgainError) as error:
            reason = _first_line(error)
        # A connection that breaks again and again, but further on each time, gets there.
        failures = 1 if _size(part) > best else failures + 1
        best = max(best, _size(part))
        if failures >= ATTEMPTS:
            raise _MirrorError(f"{reason} (tried {ATTEMPTS} times)")
        logger.info("%s: %s; trying again", url, reason)
        time.sleep(RETRY_SECONDS * failures)


def _stream(url: str, file: OfficialFile, part: Path, progress: bool) -> None:
    """Append the missing bytes to the part file."""
    import requests
    from tqdm import tqdm

    start = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start = _checked_start(response, file, part, start)
        bar = tqdm(
            total=file.size,
            initial=start,
            desc=file.name,
            unit="B",
            unit_scale=True,
            disable=None if progress else True,
        )
        with bar, part.open("ab") as output:
            output.truncate(start)
            # Unread by requests: a server may call a .gz file "Content-Encoding: gzip".
            for block in response.raw.stream(_CHUNK, decode_content=False):
                output.write(block[: file.size + 1 - output.tell()])
                bar.update(len(block))
                if output.tell() > file.size:
                    break
    if _size(part) < file.size:
        raise _TryAgainError(f"the connection ended after {_size(part)} of {file.size} bytes")


def _checked_start(response: requests.Response, file: OfficialFile, part: Path, wanted: int) -> int:
    """Position of the first byte the server sends, or an error when it won't send our file."""
    status = response.status_code
    if status == _BAD_RANGE:
        part.unlink(missing_ok=True)
        raise _TryAgainError("the server refused to resume (HTTP 416)")
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise _TryAgainError(f"HTTP {status}")
    if status not in (_OK, _PARTIAL):
        raise _MirrorError(f"HTTP {status}")
    start = 0
    if status == _PARTIAL:
        match = re.fullmatch(r"bytes (\d+)-\d+/.*", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != wanted:
            part.unlink(missing_ok=True)
            raise _TryAgainError("the server resumed at another position")
        start = wanted
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and start + int(length) != file.size:
        raise _MirrorError(f"serves {start + int(length)} bytes instead of {file.size}")
    return start


def _is_right(file: OfficialFile, part: Path, resumed: bool) -> bool:
    """Compare the checksum; wrong bytes are thrown away, and held against the mirror if its own."""
    found = sha256_of(part)
    if found == file.sha256:
        return True
    part.unlink()
    if not resumed:
        raise _MirrorError(f"serves other bytes (SHA-256 {found} instead of {file.sha256})")
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _first_line(error: BaseException) -> str:
    """Say why, without the layers that requests puts around the reason."""
    cause = error.args[0] if error.args else None
    error = getattr(cause, "reason", None) or error
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
