"""Write one zip file with a whole run and its checksums."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.csv_cells import safe_cells
from fmnist_lib.common.errors import FmnistError
from fmnist_lib.common.files import partial_file, sha256_of
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.common.run_report import BundleInfo
from fmnist_lib.release.archive import seal
from fmnist_lib.release.documents import render_documents
from fmnist_lib.release.packed_source import project_files
from fmnist_lib.release.reproduce import MANIFEST, SEAL
from fmnist_lib.release.summary import render_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from fmnist_lib.common.run_report import RunReport
    from fmnist_lib.config.release import ReleaseConfig
    from fmnist_lib.model_files.stored_model import SavedModel

    #: Name and content of a packed file.
    Entry = tuple[str, bytes | Path]

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


def bundle_path(config: ReleaseConfig, root: Path, name: str) -> Path:
    """Return the path of a run's bundle; a relative directory starts at the checkout."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "bundle"
    return resolve_path(config.directory, root) / f"{safe}.zip"


def write_bundle(
    path: Path,
    report: RunReport,
    images: Mapping[str, NDArray[np.uint8]],
    model: SavedModel,
    *,
    root: Path,
    cards: Mapping[str, str],
    summary_pdf: bytes | None = None,
) -> BundleInfo:
    """Write a run's data, model, source, settings, results and ``reproduce.py`` to one zip file.

    Deterministic: the same contents give the same bytes. The file is written atomically.

    Parameters
    ----------
    path : Path
        The zip file; its directory is made, an older file of that name is replaced.
    report : RunReport
    images : mapping of str to ndarray of uint8, shape (n, 28, 28)
        Of every split.
    model : SavedModel
        The winner.
    root : Path
        Checkout whose source is packed.
    cards : mapping of str to str
        HTML pages by name.
    summary_pdf : bytes, optional
        The summary within the bundle, printed by `fmnist_lib.release.pdf.print_pdf`.

    Raises
    ------
    ReleaseError
        A file cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_file(path) as unfinished:
            entries = [
                *_data(report, images, root),
                *_results(report),
                *_pages(report, model, cards),
            ]
            entries += [("summary.pdf", summary_pdf)] if summary_pdf else []
            entries += [(f"model/{file.name}", file) for file in model.directory.iterdir()]
            entries += [(f"source/{name}", file) for name, file in project_files(root)]
            names = _write(unfinished, report, [*entries, ("reproduce.py", REPRODUCE)])
            seal(unfinished)
            digest = sha256_of(unfinished)
    except OSError as error:
        raise ReleaseError(
            f"{path.name}: expected to write the bundle to {path.parent}, got: {error}. "
            "Free some space and resume the run, or set release.directory and run again."
        ) from error
    return BundleInfo(path, digest, names, path.stat().st_size)


def _write(path: Path, report: RunReport, entries: Iterable[Entry]) -> tuple[str, ...]:
    """Write the entries by name, then the manifest with their checksums, then its checksum."""
    digests: dict[str, str] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, source in sorted(entries, key=lambda entry: entry[0]):
            digests[name] = _add(archive, name, source)
        digest = _add(archive, MANIFEST, _json(_manifest(report, digests)))
        _add(archive, SEAL, f"{digest}  {MANIFEST}\n".encode())
    return (*digests, MANIFEST, SEAL)


def _data(
    report: RunReport, images: Mapping[str, NDArray[np.uint8]], root: Path
) -> Iterator[Entry]:
    """Yield the splits, or pointers to them when they exceed `release.max_data_mb`."""
    arrays = {f"data/{split}-images.npy": values for split, values in images.items()}
    arrays |= {f"data/{split}-labels.npy": values for split, values in report.labels.items()}
    most = report.settings["release"]["max_data_mb"] * 1e6
    if sum(values.nbytes for values in arrays.values()) <= most:
        yield from ((name, _npy(values)) for name, values in arrays.items())
        return
    yield "data/README.md", _POINTER.format(report.data_version.fingerprint).encode()
    for pointer in sorted((root / "data").glob("*.dvc")):
        yield f"data/{pointer.name}", pointer


def _results(report: RunReport) -> Iterator[Entry]:
    """Yield the winner's predictions, settings, leaderboard and metrics."""
    probabilities = report.test_probabilities
    yield "predictions/test-probabilities.npy", _npy(probabilities.astype(np.float32))
    yield "predictions/test-labels.npy", _npy(probabilities.argmax(axis=1).astype(np.uint8))
    yield "config.json", _json(report.settings)
    yield "leaderboard.csv", safe_cells(report.leaderboard).to_csv(index=False).encode()
    yield "metrics.json", _json(report.evaluation.as_metrics())


def _pages(report: RunReport, model: SavedModel, cards: Mapping[str, str]) -> Iterator[Entry]:
    """Yield the pages about the run, without what is known only after the bundle is written."""
    pages = {"summary.html": render_summary(report)} | render_documents(report, model)
    pages |= {f"cards/{name}.html": page for name, page in cards.items()}
    yield from ((name, page.encode()) for name, page in pages.items())


def _manifest(report: RunReport, digests: dict[str, str]) -> dict[str, Any]:
    data = report.data_version
    return {
        "format": 1,
        "run": report.identity.tags,
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


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
