"""Write one zip file with a whole run and its checksums."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import tempfile
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import FmnistError
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.release.archive import seal
from fmnist_lib.release.packed_source import project_files
from fmnist_lib.release.reproduce import MANIFEST, SEAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from fmnist_lib.config.release import ReleaseConfig
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.version import DataVersion

REPRODUCE = Path(__file__).with_name("reproduce.py")
#: Compresses a forest to a sixth in a second; higher levels take several times longer for little.
_LEVEL = 1
_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "skops", "cloudpickle", "metaflow")
_CHUNK = 1 << 20
_POINTER = """The images are larger than release.max_data_mb and not in this bundle.

Their fingerprint is {}. If DVC tracks them, `dvc pull` in a checkout fetches them by the pointers
beside this file. Then: python reproduce.py --data-dir DIRECTORY
"""


class ReleaseError(FmnistError):
    """A bundle could not be written."""


@dataclass(frozen=True, eq=False)
class BundleContents:
    """Content of a bundle.

    Attributes
    ----------
    splits : mapping of str to (images, labels)
        "train", "validation" and "test"; uint8 arrays of shapes (n, 28, 28) and (n,).
    data_version : DataVersion
    model_directory : Path
        The winner, as `fmnist_lib.model_files.stored_model.save_model` wrote it.
    settings : Settings
        Resolved.
    leaderboard : DataFrame
    metrics : mapping of str to float
        On the test images.
    test_probabilities : ndarray of shape (n_test, 10)
        The winner's, in the order of the test images; stored as float32.
    source_root : Path
        Checkout whose source is packed.
    identity : mapping of str to str
        Run ids and similar entries of the manifest.
    documents : mapping of str to str
        Pages by file name: summary, model card, datasheet, cards.
    """

    splits: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]
    data_version: DataVersion
    model_directory: Path
    settings: Settings
    leaderboard: pd.DataFrame
    metrics: Mapping[str, float]
    test_probabilities: NDArray[np.floating[Any]]
    source_root: Path
    identity: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BundleInfo:
    """A bundle on disk.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the whole zip file, hexadecimal.
    files : tuple of str
        Names within it, the manifest and its SHA-256 last.
    size_bytes : int
    """

    path: Path
    sha256: str
    files: tuple[str, ...]
    size_bytes: int


def bundle_path(config: ReleaseConfig, root: Path, name: str) -> Path:
    """Return the path of a run's bundle; a relative directory starts at the checkout."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "bundle"
    return resolve_path(config.directory, root) / f"{safe}.zip"


def write_bundle(path: Path, contents: BundleContents) -> BundleInfo:
    """Write a run's data, model, source, settings, results and ``reproduce.py`` to one zip file.

    Deterministic: the same contents give the same bytes. The file is written atomically.

    Parameters
    ----------
    path : Path
        The zip file; its directory is made, an older file of that name is replaced.
    contents : BundleContents

    Raises
    ------
    ReleaseError
        A file cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.parent) as directory:
            unfinished = Path(directory) / "bundle.zip"
            names = _write(unfinished, contents)
            seal(unfinished)
            with unfinished.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            unfinished.replace(path)
    except OSError as error:
        raise ReleaseError(
            f"{path.name}: expected to write the bundle to {path.parent}, got: {error}. "
            "Free some space and resume the run, or set release.directory and run again."
        ) from error
    return BundleInfo(path, digest, names, path.stat().st_size)


def _write(path: Path, contents: BundleContents) -> tuple[str, ...]:
    """Write the entries by name, then the manifest with their checksums, then its checksum."""
    digests: dict[str, str] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, source in sorted(_entries(contents), key=lambda entry: entry[0]):
            digests[name] = _add(archive, name, source)
        digest = _add(archive, MANIFEST, _json(_manifest(contents, digests)))
        _add(archive, SEAL, f"{digest}  {MANIFEST}\n".encode())
    return (*digests, MANIFEST, SEAL)


def _entries(contents: BundleContents) -> Iterator[tuple[str, bytes | Path]]:
    """Yield every file's name and content."""
    yield from _data(contents)
    for name, page in contents.documents.items():
        yield name, page.encode()
    probabilities = contents.test_probabilities
    yield "predictions/test-probabilities.npy", _npy(probabilities.astype(np.float32))
    yield "predictions/test-labels.npy", _npy(probabilities.argmax(axis=1).astype(np.uint8))
    for file in contents.model_directory.iterdir():
        yield f"model/{file.name}", file
    yield "config.json", _json(contents.settings.model_dump(mode="json"))
    yield "leaderboard.csv", contents.leaderboard.to_csv(index=False).encode()
    yield "metrics.json", _json(dict(contents.metrics))
    yield "reproduce.py", REPRODUCE
    for name, file in project_files(contents.source_root):
        yield f"source/{name}", file


def _data(contents: BundleContents) -> Iterator[tuple[str, bytes | Path]]:
    """Yield the splits, or pointers to them when they exceed `release.max_data_mb`."""
    size = sum(images.nbytes + labels.nbytes for images, labels in contents.splits.values())
    if size <= contents.settings.release.max_data_mb * 1e6:
        for split, (images, labels) in contents.splits.items():
            yield f"data/{split}-images.npy", _npy(images)
            yield f"data/{split}-labels.npy", _npy(labels)
        return
    yield "data/README.md", _POINTER.format(contents.data_version.fingerprint).encode()
    for pointer in sorted((contents.source_root / "data").glob("*.dvc")):
        yield f"data/{pointer.name}", pointer


def _manifest(contents: BundleContents, digests: dict[str, str]) -> dict[str, Any]:
    data = contents.data_version
    return {
        "format": 1,
        "run": dict(contents.identity),
        "data": {
            "origin": data.origin,
            "description": data.description,
            "fingerprint": data.fingerprint,
            "splits": data.splits,
        },
        "python": platform.python_version(),
        "packages": _versions(),
        "files": digests,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _add(archive: zipfile.ZipFile, name: str, source: bytes | Path) -> str:
    """Add one file in chunks; return its SHA-256."""
    digest = hashlib.sha256()
    with (
        _opened(source) as reader,
        # Opened by name, a member is dated 1980, so that the bytes do not depend on the date.
        archive.open(name, "w", force_zip64=True) as writer,
    ):
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()


def _opened(source: bytes | Path) -> IO[bytes]:
    """Open a file to pack; an unreadable one is not reported as a failure to write the bundle."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise ReleaseError(
            f"{source}: expected a readable file to pack, got: {error.strerror or error}. "
            "Restore it, then `python flows/train.py resume`."
        ) from error


def _npy(array: NDArray[Any]) -> bytes:
    """Return the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
