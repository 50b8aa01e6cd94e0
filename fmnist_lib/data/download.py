"""Download an official file: resumable, verified by checksum, moved into place atomically."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import sha256_of
from fmnist_lib.common.formatting import reason_of
from fmnist_lib.data.official_files import FILES, MIRRORS, OfficialFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import requests

logger = logging.getLogger(__name__)

#: Consecutive attempts without progress at one mirror before the next one is tried.
ATTEMPTS = 3
RETRY_SECONDS = 1.0
#: Connect and read timeouts, seconds.
TIMEOUT = (5.0, 30.0)
#: Seconds to wait for another run that downloads the same file.
LOCK_SECONDS = 1800.0
_CHUNK = 1 << 16
_OK, _PARTIAL, _BAD_RANGE, _TOO_MANY, _SERVER_ERROR = 200, 206, 416, 429, 500


class _RetryableError(Exception):
    """A retry at the same mirror may succeed."""


class _MirrorError(Exception):
    """The mirror is unusable; try the next one."""


def download(
    name: str, directory: Path, mirrors: Sequence[str] = MIRRORS, progress: bool = True
) -> Path:
    """Download one official file into a directory.

    No-op if the file is present and intact. An interrupted download is resumed, also in a later
    run. The file appears only complete and with the right checksum; safe to call from several
    processes at once.

    Parameters
    ----------
    name : str
        One of `fmnist_lib.data.official_files.FILES`.
    directory : Path
        Created if missing.
    mirrors : sequence of str
        Base URLs, tried in order.
    progress : bool, default=True
        Show a progress bar when stderr is a terminal.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        Every mirror failed (the message has each reason), the directory is not writable, or
        another run holds the lock for more than half an hour.
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
            "still running. Stop that run, or wait for it."
        ) from None
    except OSError as error:
        raise DataError(
            f"{target}: expected to write the file, got: {error.strerror or error}. Free disk "
            "space or give write permission."
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
    """Download the file from one mirror into the part file, or raise `_MirrorError`."""
    import requests
    import urllib3

    logger.info("Downloading %s (%.1f MB)", url, file.size / 1e6)
    failures, best = 0, _size(part)
    while True:
        resumed = _size(part) > 0
        try:
            if _size(part) != file.size:
                _stream(url, file, part, progress)
            if _has_right_checksum(file, part, resumed):
                return
            reason = "the partial file of an earlier attempt was wrong"
        # urllib3's own errors are not wrapped by requests when the raw stream is read.
        except (requests.RequestException, urllib3.exceptions.HTTPError, _RetryableError) as error:
            reason = _reason(error)
        # Progress resets the counter: a connection that breaks repeatedly can still finish.
        failures = 1 if _size(part) > best else failures + 1
        best = max(best, _size(part))
        if failures >= ATTEMPTS:
            raise _MirrorError(f"{reason} (tried {ATTEMPTS} times)")
        logger.info("%s: %s; retrying", url, reason)
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
            # Not decoded by requests: some servers send .gz files as "Content-Encoding: gzip".
            for block in response.raw.stream(_CHUNK, decode_content=False):
                output.write(block[: file.size + 1 - output.tell()])
                bar.update(len(block))
                if output.tell() > file.size:
                    break
    if _size(part) < file.size:
        raise _RetryableError(f"the connection ended after {_size(part)} of {file.size} bytes")


def _checked_start(response: requests.Response, file: OfficialFile, part: Path, wanted: int) -> int:
    """Return the position of the first byte the server sends; raise if it is the wrong file."""
    status = response.status_code
    if status == _BAD_RANGE:
        part.unlink(missing_ok=True)
        raise _RetryableError("the server refused to resume (HTTP 416)")
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise _RetryableError(f"HTTP {status}")
    if status not in (_OK, _PARTIAL):
        raise _MirrorError(f"HTTP {status}")
    start = 0
    if status == _PARTIAL:
        match = re.fullmatch(r"bytes (\d+)-\d+/.*", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != wanted:
            part.unlink(missing_ok=True)
            raise _RetryableError("the server resumed at another position")
        start = wanted
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and start + int(length) != file.size:
        raise _MirrorError(f"serves {start + int(length)} bytes instead of {file.size}")
    return start


def _has_right_checksum(file: OfficialFile, part: Path, resumed: bool) -> bool:
    """Compare the checksum; delete wrong bytes, and raise if all of them are from this mirror."""
    found = sha256_of(part)
    if found == file.sha256:
        return True
    part.unlink()
    if not resumed:
        raise _MirrorError(f"serves other bytes (SHA-256 {found} instead of {file.sha256})")
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reason(error: BaseException) -> str:
    """Return the root cause, without the exceptions that requests wraps around it."""
    cause = error.args[0] if error.args else None
    error = getattr(cause, "reason", None) or error
    return reason_of(error)
