"""The four official files: names, sizes, checksums and download addresses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import sha256_of
from fmnist_lib.data.formats.unpacking import opened

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20
TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@dataclass(frozen=True)
class OfficialFile:
    """A published file: its name, sizes in bytes and SHA-256 (hexadecimal), packed and unpacked."""

    name: str
    size: int
    sha256: str
    unpacked_size: int = 0
    unpacked_sha256: str = ""


FILES = {
    file.name: file
    for file in (
        OfficialFile(
            TRAIN_IMAGES,
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            47040016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        OfficialFile(
            TRAIN_LABELS,
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            60008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        OfficialFile(
            TEST_IMAGES,
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            7840016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        OfficialFile(
            TEST_LABELS,
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            10008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    )
}

#: Addresses published by the authors (https://github.com/zalandoresearch/fashion-mnist). The
#: first has no TLS; downloads are verified by the checksums above.
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)


def has_official_content(path: Path, name: str, sha256: str | None = None) -> bool:
    """Return True if a file has the official content, compressed as published, again, or not.

    Parameters
    ----------
    path : Path
    name : str
        Published name.
    sha256 : str, optional
        Checksum of the file, if already known.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    official = FILES[name]
    digest = sha256_of(path) if sha256 is None else sha256
    if digest in (official.sha256, official.unpacked_sha256):
        return True
    return _unpacked_sha256(path, official.unpacked_size) == official.unpacked_sha256


def _unpacked_sha256(path: Path, size: int) -> str | None:
    """Return the SHA-256 of an unpacked gzip file; None if it has not `size` bytes."""
    digest = hashlib.sha256()
    try:
        with opened(path) as file:
            while size >= 0 and (piece := file.read(_CHUNK)):
                digest.update(piece)
                size -= len(piece)
    except DataError:
        return None
    return None if size else digest.hexdigest()
