"""Open files that may be compressed with gzip, with limits on what they unpack to."""

from __future__ import annotations

import gzip
import zlib
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, cast

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import MAX_RATIO, most_unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"
#: Layers of gzip that are unpacked: files compressed twice by mistake occur.
_MAX_LAYERS = 3
#: Reads of at most 64 bytes: one for every short member, and one for every byte of padding.
_SMALL, _MAX_SMALL_READS = 64, 100_000
_INTACT_COPY = "Put an intact copy in its place."


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file and unpack all gzip layers; raise read errors as DataError."""
    try:
        _require_file(path)
        with ExitStack() as stack:
            file: IO[bytes] | gzip.GzipFile = stack.enter_context(path.open("rb"))
            for _ in range(_MAX_LAYERS):
                magic = file.read(len(_GZIP_MAGIC))
                file.seek(0)
                if magic != _GZIP_MAGIC:
                    break
                file = stack.enter_context(_LimitedGzip(file, path))
            yield file
    except EOFError:
        raise DataError(
            f"{path}: expected a whole gzip file, got one that is cut short at "
            f"{path.stat().st_size} bytes. {_INTACT_COPY}"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: expected an intact gzip file, got a damaged one ({error}). {_INTACT_COPY}"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file, got: {error.strerror or error}. "
            "Check its permissions and the disk."
        ) from None


class _PackedBytes:
    """The bytes of a layer of gzip; refuses a file made of padding, names or empty members.

    Python's gzip reads these a few bytes at a time, which takes minutes for 100 MB of them.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file, self._small_reads = file, 0

    def read(self, size: int = -1) -> bytes:
        self._small_reads += 0 <= size <= _SMALL
        if self._small_reads > _MAX_SMALL_READS:
            raise gzip.BadGzipFile("mostly padding, names or empty members")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)


class _LimitedGzip(gzip.GzipFile):
    """A layer of gzip that ends with a DataError when far more is unpacked than the file has."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, path: Path) -> None:
        super().__init__(fileobj=cast("IO[bytes]", _PackedBytes(file)), mode="rb")
        self._path, self._unpacked = path, 0
        self._limit = most_unpacked(path)

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self._unpacked += len(content)
        if self._unpacked > self._limit:
            raise DataError(
                f"{self._path}: expected a gzip file that unpacks to at most {MAX_RATIO} times "
                f"its size, got more than {self._limit} bytes, like a file made to fill the "
                "memory. If the images are as uniform as that, unpack it with gunzip first."
            )
        return content


def _require_file(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path}: expected a file, found nothing. Check the path.")
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "something else"
        raise DataError(f"{path}: expected a file, got {kind}. {_INTACT_COPY}")
