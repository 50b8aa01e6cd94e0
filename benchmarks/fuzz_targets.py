"""The readers of files that a user hands in, as functions of bytes, with a valid input of each.

`run(name, content)` calls a reader on bytes; it returns normally for a valid file and for one that
is refused with a documented error, and raises whatever else the reader raises.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import FmnistError

if TYPE_CHECKING:
    from collections.abc import Callable

_IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
#: A message is for a person; that of a configuration has a line per wrong key.
_MAX_MESSAGE = 20_000
_LABELS = np.arange(12, dtype=np.uint8) % 10


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes
    ----------
    read : callable
        Takes a path.
    file : str
        Name of the file, whose ending chooses the reader.
    seeds : callable
        Returns valid inputs.
    """

    read: Callable[[Path], Any]
    file: str
    seeds: Callable[[], list[bytes]]


def run(name: str, content: bytes) -> str:
    """Call a reader; return "read", or the name of the documented error."""
    target = TARGETS[name]
    path = _directory() / target.file
    path.write_bytes(content)
    try:
        target.read(path)
    except FmnistError as error:
        if len(str(error)) > _MAX_MESSAGE:
            raise AssertionError(f"a message of {len(str(error))} letters") from error
        return type(error).__name__
    return "read"


@cache
def _directory() -> Path:
    """Return a directory in memory, where there is one: a file is written per input."""
    shared = Path("/dev/shm")  # noqa: S108 (the new directory has a random name)
    return Path(mkdtemp(prefix="fuzz-", dir=shared if os.access(shared, os.W_OK) else None))


def _wrap(path: Path, name: str, others: dict[str, bytes]) -> None:
    """Put bytes that are no zip file into one, so that its checksums are right."""
    content = path.read_bytes()
    if not content.startswith(b"PK"):
        with zipfile.ZipFile(path, "w") as archive:
            for member, text in ({name: content} | others).items():
                archive.writestr(member, text)


def _npz_batch(path: Path) -> None:
    _wrap(path, "images.npy", {})
    _batch(path)


def _batch(path: Path) -> None:
    from fmnist_lib.data.formats.batch import iter_batches

    for _ in iter_batches(path):
        pass


def _labels(path: Path) -> None:
    from fmnist_lib.data.formats.labels import read_batch_labels

    read_batch_labels(path)


def _idx(path: Path) -> None:
    from fmnist_lib.data.formats.idx import read_images, read_images_at

    try:
        read_images(path)
    except FmnistError:
        _batch(path)
    read_images_at(path, np.array([1, 0]), total=len(_IMAGES))


def _png(path: Path) -> None:
    from fmnist_lib.data.formats.pictures import decode_png

    decode_png(path.read_bytes(), path.name)


def _config(path: Path) -> None:
    from fmnist_lib.config.loading import read_settings

    read_settings(path)


def _monitor_config(path: Path) -> None:
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.config.monitor import MonitorSettings

    read_settings(path, MonitorSettings)


def _manifest(path: Path) -> None:
    """Read the manifest of a model, and that of an unpacked bundle."""
    from fmnist_lib.model_files.stored_model import load_model
    from fmnist_lib.release.archive import verify
    from fmnist_lib.release.bundle_results import read_results

    content = path.read_bytes()
    bundle = path.parent / "bundle"
    bundle.mkdir(exist_ok=True)
    (path.parent / "model.json").write_bytes(content)
    (bundle / "manifest.json").write_bytes(content)
    seal = f"{hashlib.sha256(content).hexdigest()}  manifest.json\n"
    (bundle / "manifest.sha256").write_text(seal)
    verify(bundle)
    try:
        read_results(bundle)
    except FmnistError:
        load_model(path.parent)


def _skops(path: Path) -> None:
    """Read the bytes as a file, and as the schema of an otherwise intact file."""
    from fmnist_lib.model_files.skops_file import read_skops

    _wrap(path, "schema.json", {"1.npy": _npy(_IMAGES)})
    read_skops(path)


def _reference(path: Path) -> None:
    from fmnist_lib.model_files.conformal_file import read_conformal
    from fmnist_lib.model_files.reference import HeldOutReference

    _wrap(path, "mean.npy", {})
    try:
        HeldOutReference.load(path)
    except FmnistError:
        read_conformal(path)


def _corrections(path: Path) -> None:
    from fmnist_lib.data.corrections import read_corrections

    read_corrections(path, _LABELS)


def _bundle(path: Path) -> None:
    from fmnist_lib.release.archive import unpack

    directory = path.parent / "unpacked"
    try:
        unpack(path, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _npz_seeds() -> list[bytes]:
    return [_npz(images=_IMAGES, labels=_LABELS), _npy(_IMAGES)]


def _idx_seeds() -> list[bytes]:
    sizes = b"".join(size.to_bytes(4, "big") for size in _IMAGES.shape)
    plain = b"\0\0\x08\x03" + sizes + _IMAGES.tobytes()
    return [plain, gzip.compress(plain, mtime=0), gzip.compress(gzip.compress(plain, mtime=0))]


def _csv_seeds() -> list[bytes]:
    header = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])
    table = [",".join(map(str, [label, *image.ravel()])) for label, image in _rows()]
    nameless = "\n".join(table)
    return [f"{header}\n{nameless}\n".encode(), nameless.encode(), gzip.compress(nameless.encode())]


def _rows() -> zip[tuple[np.uint8, np.ndarray]]:
    return zip(_LABELS[:3], _IMAGES[:3], strict=True)


def _parquet_seeds() -> list[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    seeds = []
    png = _png_seeds()[0]
    columns = {f"pixel{number}": _IMAGES.reshape(12, -1)[:, number - 1] for number in range(1, 785)}
    for table in (
        {"image": [png, png], "label": [0, 1]},
        {"image": [{"bytes": png, "path": "1.png"}], "label": [3]},
        {"image": list(_IMAGES.reshape(12, -1)), "id": [str(row) for row in range(12)]},
        columns,
    ):
        file = io.BytesIO()
        parquet.write_table(pa.table(table), file)
        seeds.append(file.getvalue())
    return seeds


def _png_seeds() -> list[bytes]:
    from PIL import Image, PngImagePlugin

    seeds = []
    for compress in (False, True):
        text = PngImagePlugin.PngInfo()
        text.add_text("camera", "words " * 20, zip=compress)
        file = io.BytesIO()
        Image.fromarray(_IMAGES[0]).save(file, "PNG", pnginfo=text)
        seeds.append(file.getvalue())
    return seeds


def _config_seeds() -> list[bytes]:
    from fmnist_lib.config.loading import read_settings

    root = Path(__file__).resolve().parents[1] / "config"
    texts = [(root / name).read_bytes() for name in ("train.toml", "quick.toml")]
    return [*texts, read_settings(root / "quick.toml").model_dump_json().encode()]


def _monitor_seeds() -> list[bytes]:
    return [(Path(__file__).resolve().parents[1] / "config" / "monitor.toml").read_bytes()]


def _manifest_seeds() -> list[bytes]:
    model = {"format": "skops", "files": {"model.skops": {"bytes": 3, "sha256": "0" * 64}}}
    run_ = {"metaflow.flow": "FashionMnistTrain", "metaflow.run_id": "1"}
    bundle = {"format": 1, "run": run_, "files": {"config.json": "0" * 64}, "packages": {}}
    return [json.dumps(one).encode() for one in (model, bundle)]


def _skops_seeds() -> list[bytes]:
    import skops.io
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    pixels = _IMAGES.reshape(12, -1)
    pipeline = make_pipeline(PCA(2), DecisionTreeClassifier()).fit(pixels, _LABELS)
    content = skops.io.dumps(pipeline)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [content, archive.read("schema.json")]


def _reference_seeds() -> list[bytes]:
    from fmnist_lib.model_files.reference import HeldOutReference

    images = np.repeat(_IMAGES, 10, axis=0)
    probabilities = np.full((len(images), 10), 0.1)
    fitted = HeldOutReference.fit(images, images, np.repeat(_LABELS, 10), probabilities)
    return [
        _npz(**vars(fitted)),
        _npz(probabilities=np.full(10, 0.5, dtype=np.float32), counts=np.ones(10, dtype=np.int64)),
    ]


def _corrections_seeds() -> list[bytes]:
    return [b"image,given,corrected\n0,0,1\n3,Dress,Coat\n4,4,\n"]


def _label_seeds() -> list[bytes]:
    return [b"file,label\n0.png,1\n1.png,9\n", b"label\n1\n2\n", b"1\n2\n3\n", b"0,1\n1,3\n"]


def _bundle_seeds() -> list[bytes]:
    from fmnist_lib.release.archive import seal

    path = _directory() / "seed.zip"
    files = {"model/model.json": b"{}", "config.json": b"{}"}
    manifest = json.dumps(
        {"files": {name: hashlib.sha256(text).hexdigest() for name, text in files.items()}}
    ).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("manifest.json", manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        archive.writestr("manifest.sha256", f"{digest}  manifest.json\n")
    unsealed = path.read_bytes()
    seal(path)
    return [path.read_bytes(), unsealed]


TARGETS = {
    "idx": Target(_idx, "images.gz", _idx_seeds),
    "npy": Target(_batch, "batch.npy", lambda: [_npy(_IMAGES), _npy(_IMAGES.reshape(12, -1))]),
    "npz": Target(_npz_batch, "batch.npz", _npz_seeds),
    "csv": Target(_batch, "batch.csv", _csv_seeds),
    "parquet": Target(_batch, "batch.parquet", _parquet_seeds),
    "png": Target(_png, "image.png", _png_seeds),
    "labels": Target(_labels, "labels.csv", _label_seeds),
    "config": Target(_config, "config.toml", _config_seeds),
    "monitor-config": Target(_monitor_config, "monitor.toml", _monitor_seeds),
    "manifest": Target(_manifest, "manifest.json", _manifest_seeds),
    "skops": Target(_skops, "model.skops", _skops_seeds),
    "reference": Target(_reference, "reference.npz", _reference_seeds),
    "corrections": Target(_corrections, "corrections.csv", _corrections_seeds),
    "bundle": Target(_bundle, "bundle.zip", _bundle_seeds),
}
