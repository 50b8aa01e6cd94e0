"""Fitted pipelines as skops files, written reproducibly and read as untrusted input."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Literal

from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.model_files.trusted_types import LOADERS, TRUSTED_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA = "schema.json"
#: Largest model that is written, and by default read, in 10**6 bytes. It limits the memory needed
#: to load an untrusted file; the limit that a search aims at is search.max_model_mb.
MAX_MB = 2000.0
_MEMBER = re.compile(r"schema\.json|\d+\.np[yz]")
#: A forest of 1,000 trees has about 10,000 arrays and 16 MB of JSON, which takes 20 times as much
#: memory as Python objects.
_MAX_MEMBERS, _MAX_SCHEMA_BYTES = 200_000, 64_000_000
#: Types that a message lists, and letters of each.
_LISTED, _MAX_LETTERS = 5, 200
_TYPE_KEYS = ("__class__", "__module__", "__loader__")
_ANOTHER = "Take the model from a run or a bundle you trust."


def write_skops(pipeline: Any, path: Path) -> tuple[str, ...]:
    """Write a fitted pipeline, byte-for-byte reproducible.

    Parameters
    ----------
    pipeline : estimator
    path : Path

    Returns
    -------
    tuple of str
        Untrusted types in the pipeline; if any, no file is written.

    Raises
    ------
    ModelError
        skops cannot write this pipeline.
    """
    import skops.io

    try:
        content = skops.io.dumps(pipeline)
    except Exception as error:
        # skops raises various exceptions for unsupported types.
        raise ModelError(f"skops cannot write it: {type(error).__name__}: {error}") from error
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        untrusted = untrusted_parts(schema)
        if not untrusted:
            _write_canonical(archive, schema, path)
    return untrusted


def read_skops(path: Path, max_mb: float = MAX_MB) -> Any:
    """Load a pipeline after checking every type in it against our list.

    Nothing named in the file is imported or constructed before all checks have passed.

    Parameters
    ----------
    path : Path
    max_mb : float
        Limit of the unpacked size in megabytes (10**6 bytes).

    Raises
    ------
    ModelError
        The file is missing, damaged, not a skops file, too large when unpacked, or holds a type
        that is not in `fmnist_lib.model_files.trusted_types`; the message names it.
    """
    import skops.io

    schema = check_skops(path, max_mb)
    untrusted = untrusted_parts(schema)
    if untrusted:
        raise ModelError(
            f"{path.name}: expected only the types of a Fashion-MNIST model, got "
            f"{_first(untrusted)}. Nothing was loaded. {_ANOTHER}"
        )
    try:
        return skops.io.load(path, trusted=sorted(TRUSTED_TYPES))
    except Exception as error:
        # A damaged array or schema makes skops, NumPy or scikit-learn raise various exceptions.
        raise ModelError(
            f"{path.name}: expected a model written by this project, got one that cannot be "
            f"constructed ({type(error).__name__}: {error}). {_ANOTHER}"
        ) from error


def _first(names: Sequence[str]) -> str:
    """Return the first names in full: a type is told by its whole name."""
    more = len(names) - _LISTED
    return ", ".join(name[:_MAX_LETTERS] for name in names[:_LISTED]) + (
        f" and {more} more" if more > 0 else ""
    )


def check_skops(path: Path, max_mb: float = MAX_MB) -> Any:
    """Return the schema of a skops file after checking that it is an intact zip of limited size."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path.name, max_mb)
            damaged = archive.testzip()
            if damaged is not None:
                raise ModelError(
                    f"{path.name}: expected intact members, got a damaged {damaged}. {_ANOTHER}"
                )
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
    """Return every type and loader that is not in our lists."""
    found = set()
    for node in _nodes(schema):
        class_name, module, loader = (node.get(key) for key in _TYPE_KEYS)
        if f"{module}.{class_name}" not in TRUSTED_TYPES:
            found.add(f"{module}.{class_name}")
        if not isinstance(loader, str) or loader not in LOADERS:
            found.add(f"{module}.{class_name} by {loader}")
    return tuple(sorted(found))


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every node of a schema that names a type, in file order."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if any(key in part for key in _TYPE_KEYS):
                yield part
            stack.extend(reversed(part.values()))
        elif isinstance(part, list):
            stack.extend(reversed(part))


def _check_members(archive: zipfile.ZipFile, name: str, max_mb: float) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    foreign = [member for member in names if not _MEMBER.fullmatch(member)]
    if foreign or SCHEMA not in names or len(set(names)) < len(names):
        raise ModelError(
            f"{name}: expected a skops file ({SCHEMA} and arrays, each once), got "
            f"{short_list(sorted(set(foreign or names))) or 'an empty one'}. {_ANOTHER}"
        )
    size = sum(member.file_size for member in members)
    schema_size = archive.getinfo(SCHEMA).file_size
    if size > max_mb * 1e6 or len(names) > _MAX_MEMBERS or schema_size > _MAX_SCHEMA_BYTES:
        raise ModelError(
            f"{name}: expected at most {max_mb:g} MB unpacked, got {size / 1e6:.0f} MB in "
            f"{len(names)} parts. If you trust it, raise the limit "
            "(--max-model-mb)."
        )


def _write_canonical(archive: zipfile.ZipFile, schema: Any, path: Path) -> None:
    """Write with sequential ids: skops names objects and arrays by memory address."""
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
            # A member opened by name is dated 1980, which keeps the bytes reproducible.
            with archive.open(old) as source, output.open(new, "w") as target:
                target.write(_without_padding(source.read()))
        with output.open(SCHEMA, "w") as target:
            target.write(json.dumps(schema).encode())


def _without_padding(content: bytes) -> bytes:
    """Return an array's file with the padding between fields of a structured dtype zeroed."""
    import numpy as np

    if content[:6] == np.lib.format.MAGIC_PREFIX and b"'descr': [" in content[:200]:
        array = np.load(io.BytesIO(content), allow_pickle=False)
        # Neither zeros_like nor np.save: both may keep uninitialised padding.
        clean = np.zeros(array.shape, array.dtype)
        for field in array.dtype.names:
            clean[field] = array[field]
        order: Literal["F", "C"] = "F" if np.isfortran(array) else "C"
        content = content[: len(content) - clean.nbytes] + clean.tobytes(order)
    return content
