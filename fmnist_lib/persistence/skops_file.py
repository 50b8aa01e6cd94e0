"""Fitted pipelines as skops files: written reproducibly, read without trusting a byte."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Literal

from fmnist_lib.errors import ModelError
from fmnist_lib.persistence.trusted import LOADERS, TRUSTED_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = "schema.json"
#: Most unpacked megabytes of a model that are read, unless the caller says otherwise.
MAX_MB = 2000.0
_MEMBER = re.compile(r"schema\.json|\d+\.np[yz]")
#: A forest of a thousand trees has some ten thousand arrays.
_MOST_MEMBERS, _MOST_SCHEMA_BYTES = 200_000, 256_000_000
_TYPE_KEYS = ("__class__", "__module__", "__loader__")
_ANOTHER = "Take the model from a run or a bundle you trust."


def write_skops(pipeline: Any, path: Path) -> tuple[str, ...]:
    """Write a fitted pipeline; the same pipeline always gives the same bytes.

    Parameters
    ----------
    pipeline : estimator
    path : Path

    Returns
    -------
    tuple of str
        Types in the file that are not trusted; the file is then not written.

    Raises
    ------
    ModelError
        skops has no way to write this pipeline.
    """
    import skops.io

    try:
        content = skops.io.dumps(pipeline)
    except Exception as error:
        # skops fails in many ways on types it cannot write.
        raise ModelError(f"skops cannot write it: {type(error).__name__}: {error}") from error
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        untrusted = untrusted_parts(schema)
        if not untrusted:
            _write_canonical(archive, schema, path)
    return untrusted


def read_skops(path: Path, max_mb: float = MAX_MB) -> Any:
    """Load a pipeline, after its every part was found in our own list of types.

    Nothing named in the file is imported or built before all checks have passed.

    Parameters
    ----------
    path : Path
    max_mb : float
        Most megabytes (10**6 bytes) the file may unpack to.

    Raises
    ------
    ModelError
        The file is missing, damaged, no skops file, too large when unpacked, or holds a type that
        is not in `fmnist_lib.persistence.trusted`; the message names it.
    """
    import skops.io

    schema = check_skops(path, max_mb)
    untrusted = untrusted_parts(schema)
    if untrusted:
        raise ModelError(
            f"{path.name}: expected only the types of a Fashion-MNIST model, got "
            f"{', '.join(untrusted)}. Nothing of it was loaded. {_ANOTHER}"
        )
    try:
        return skops.io.load(path, trusted=sorted(TRUSTED_TYPES))
    except Exception as error:
        # Whatever a damaged array or schema makes skops, NumPy or scikit-learn raise.
        raise ModelError(
            f"{path.name}: expected a model written by this project, got one that cannot be put "
            f"together ({type(error).__name__}: {error}). {_ANOTHER}"
        ) from error


def check_skops(path: Path, max_mb: float = MAX_MB) -> Any:
    """Return the schema of a skops file whose outside is sound: a zip, whole, of bounded size."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path.name, max_mb)
            damaged = archive.testzip()
            if damaged is not None:
                raise ModelError(f"{path.name}: {damaged} in it is damaged. {_ANOTHER}")
            return json.loads(archive.read(SCHEMA))
    except FileNotFoundError:
        raise ModelError(f"{path}: expected a model file, found nothing. Check the path.") from None
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ModelError(
            f"{path.name}: expected an intact skops file, got: {error}. {_ANOTHER}"
        ) from None


def untrusted_parts(schema: Any) -> tuple[str, ...]:
    """Name every type and every way of building that is not in our lists."""
    found = set()
    for node in _nodes(schema):
        class_name, module, loader = (node.get(key) for key in _TYPE_KEYS)
        if f"{module}.{class_name}" not in TRUSTED_TYPES:
            found.add(f"{module}.{class_name}")
        if loader not in LOADERS:
            found.add(f"{module}.{class_name} by {loader}")
    return tuple(sorted(found))


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that names a type, in the order of the file."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if any(key in part for key in _TYPE_KEYS):
                yield part
            waiting.extend(reversed(part.values()))
        elif isinstance(part, list):
            waiting.extend(reversed(part))


def _check_members(archive: zipfile.ZipFile, name: str, max_mb: float) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    foreign = [member for member in names if not _MEMBER.fullmatch(member)]
    if foreign or SCHEMA not in names or len(set(names)) < len(names):
        raise ModelError(
            f"{name}: expected a skops file ({SCHEMA} and arrays, each once), got "
            f"{', '.join(sorted(set(foreign or names))[:3]) or 'an empty one'}. {_ANOTHER}"
        )
    size = sum(member.file_size for member in members)
    schema_size = archive.getinfo(SCHEMA).file_size
    if size > max_mb * 1e6 or len(names) > _MOST_MEMBERS or schema_size > _MOST_SCHEMA_BYTES:
        raise ModelError(
            f"{name}: expected at most {max_mb:g} MB unpacked, got {size / 1e6:.0f} MB in "
            f"{len(names)} parts. If you trust it, raise the limit (release.max_model_mb, or "
            "--max-model-mb)."
        )


def _write_canonical(archive: zipfile.ZipFile, schema: Any, path: Path) -> None:
    """Number objects and arrays in their order: skops names them by their address in memory."""
    ids: dict[Any, int] = {}
    files: dict[str, str] = {}
    for node in _nodes(schema):
        if node.get("__id__") is not None:
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if isinstance(node.get("file"), str):
            suffix = node["file"].rpartition(".")[2]
            node["file"] = files.setdefault(node["file"], f"{len(files) + 1}.{suffix}")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as output:
        for old, new in files.items():
            # Opened by name, a member is dated 1980: the same bytes on any day.
            with archive.open(old) as source, output.open(new, "w") as target:
                target.write(_without_padding(source.read()))
        with output.open(SCHEMA, "w") as target:
            target.write(json.dumps(schema).encode())


def _without_padding(content: bytes) -> bytes:
    """Return an array's file; what lies between the fields of a record, by chance, becomes 0."""
    import numpy as np

    if content[:6] == np.lib.format.MAGIC_PREFIX and b"'descr': [" in content[:200]:
        array = np.load(io.BytesIO(content), allow_pickle=False)
        # Not zeros_like, nor np.save: both may leave the padding as it was in memory.
        clean = np.zeros(array.shape, array.dtype)
        for field in array.dtype.names:
            clean[field] = array[field]
        order: Literal["F", "C"] = "F" if np.isfortran(array) else "C"
        content = content[: len(content) - clean.nbytes] + clean.tobytes(order)
    return content
