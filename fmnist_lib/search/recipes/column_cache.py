"""Cache of feature columns on disk."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from fmnist_lib.common.files import write_atomically
from fmnist_lib.common.sealed_files import read_sealed, write_sealed
from fmnist_lib.features.block import FeatureBlock
from fmnist_lib.features.chunks import available_threads, one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fmnist_lib.search.recipes.search_data import SearchData

logger = logging.getLogger(__name__)

#: Folder of the files in the cache.
FEATURES = "features"
#: Components kept of every extractor; a pipeline uses the leading ones.
MAX_SYMMETRIC, MAX_ANTISYMMETRIC = 640, 360
#: Rows per file.
_CHUNK = 1000
#: Incremented when the files are written differently.
_FORMAT = 2


class ColumnStore:
    """Feature blocks fitted on the training images, and their columns for all images.

    Everything lies in files named after a hash of what they were computed from (images, extractor,
    seed and the code of the features), so that processes share it, a resumed run finds it, and
    nothing stale is ever read. A file is renamed when complete: two processes may compute the
    same file at the same time, to the same content.

    Parameters
    ----------
    cache : path
        The files are in its folder ``features``, created if needed.
    data : SearchData
    seed : int
        Random state of the extractors and the principal components.
    """

    def __init__(self, cache: Path, data: SearchData, seed: int) -> None:
        self._directory = Path(cache) / FEATURES
        self._data = data
        self._seed = seed
        self._source = _fingerprint(data, seed)
        self._blocks: dict[str, FeatureBlock] = {}

    def block(self, extractor: Any) -> FeatureBlock:
        """Return the fitted block of an extractor, with as many components as are ever kept.

        Parameters
        ----------
        extractor : transformer
            As `FeatureBlock` takes it. It is fitted on images that trials are fitted on.
        """
        key = self._key(extractor)
        if key not in self._blocks:
            path = self._block_path(extractor)
            block = _read_whole(_read_block, path)
            if block is None:
                _fit(extractor, self._data.images[self._data.fit_rows()], self._seed, path)
                block = _read_block(path)
            self._blocks[key] = block
            # Marks the columns as recently used; see `fmnist_lib.common.cache`.
            with suppress(OSError):
                os.utime(path.parent)
        return self._blocks[key]

    def prepare(self, extractors: Sequence[Any], processes: int) -> None:
        """Compute the blocks and the columns of all images, on several processors.

        Parameters
        ----------
        extractors : sequence of transformer
        processes : int
        """
        from joblib import Parallel, delayed, parallel_config

        images = self._data.images
        for extractor in extractors:
            # One after the other, on all threads: there may be fewer than processors.
            self.block(extractor)
        # Extraction holds the GIL too often for threads to be of much use.
        config = parallel_config("loky", inner_max_num_threads=1)
        with one_thread(), config, Parallel(n_jobs=processes) as parallel:
            parallel(
                delayed(_transform)(self._block_path(extractor), images[rows], path)
                for extractor in extractors
                for rows, path in self._missing(extractor, range(-(-len(images) // _CHUNK)))
            )

    def files(self, extractors: Sequence[Any]) -> dict[str, bytes]:
        """Return the files that `prepare` wrote, by their path in the directory."""
        return {
            path.relative_to(self._directory).as_posix(): path.read_bytes()
            for extractor in extractors
            for path in sorted(self._block_path(extractor).parent.glob("[!.]*"))
        }

    def columns(self, extractor: Any, rows: slice) -> np.ndarray:
        """Return the components of some images, not whitened.

        Parameters
        ----------
        extractor : transformer
        rows : slice
            Of the arranged images, without a step.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_components)
            In the order of `FeatureBlock`; divide by ``block.column_scale()`` for the plain
            principal components.
        """
        first, last = rows.start // _CHUNK, -(-rows.stop // _CHUNK)
        self._complete(extractor, range(first, last))
        parts = [self._chunk(extractor, chunk) for chunk in range(first, last)]
        offset = first * _CHUNK
        return np.concatenate(parts)[rows.start - offset : rows.stop - offset]

    def missing(self, extractor: Any, rows: slice) -> int:
        """Count the rows that would have to be computed."""
        chunks = range(rows.start // _CHUNK, -(-rows.stop // _CHUNK))
        return _CHUNK * len(self._missing(extractor, chunks))

    def _missing(self, extractor: Any, chunks: range) -> list[tuple[slice, Path]]:
        """Rows and files that are not there."""
        files = [(chunk * _CHUNK, self._path(extractor, chunk)) for chunk in chunks]
        return [(slice(first, first + _CHUNK), path) for first, path in files if not path.exists()]

    def _chunk(self, extractor: Any, chunk: int) -> np.ndarray:
        """Read a file of columns; one that is damaged is computed again."""
        path = self._path(extractor, chunk)
        columns = _read_whole(_read_array, path)
        if columns is None:
            self._complete(extractor, range(chunk, chunk + 1))
            columns = _read_array(path)
        return columns

    def _complete(self, extractor: Any, chunks: range) -> None:
        block = self.block(extractor)
        for rows, path in self._missing(extractor, chunks):
            _write_array(path, block.transform(self._data.images[rows]))

    def _block_path(self, extractor: Any) -> Path:
        return self._directory / self._key(extractor) / "block.pickle"

    def _path(self, extractor: Any, chunk: int) -> Path:
        return self._directory / self._key(extractor) / f"{chunk:05d}.npy"

    def _key(self, extractor: Any) -> str:
        description = f"{type(extractor).__name__} {sorted(extractor.get_params().items())}"
        return hashlib.sha256(f"{self._source} {description}".encode()).hexdigest()[:24]


def prepare_columns(
    data: SearchData, extractors: Sequence[Any], seed: int, cache: Path
) -> ColumnStore:
    """Compute the columns that all candidates share, on all cores.

    Parameters
    ----------
    data : SearchData
    extractors : sequence of transformer
    seed : int
    cache : path
    """
    store = ColumnStore(cache, data, seed)
    store.prepare(extractors, available_threads())
    return store


def restore_columns(files: Mapping[str, bytes], cache: Path) -> None:
    """Write the files of a store that are missing here; `ColumnStore.files` returned them.

    A file that is there has the same content: its path is a hash of what it was computed from.

    Parameters
    ----------
    files : mapping of str to bytes
    cache : path
    """
    for name, content in files.items():
        path = cache / FEATURES / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def _fingerprint(data: SearchData, seed: int) -> str:
    described = f"{data.fingerprint} {seed} {_FORMAT} {_code()}"
    return hashlib.sha256(described.encode()).hexdigest()


@cache
def _code() -> str:
    """Hash of the code that computes features."""
    import fmnist_lib.features

    (directory,) = fmnist_lib.features.__path__
    digest = hashlib.sha256()
    for path in sorted(Path(directory).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _fit(extractor: Any, images: np.ndarray, seed: int, path: Path) -> None:
    block = FeatureBlock(
        clone(extractor), MAX_SYMMETRIC, MAX_ANTISYMMETRIC, whitening=0.0, random_state=seed
    )
    write_sealed(path, pickle.dumps(block.fit(images)))


def _transform(block_path: Path, images: np.ndarray, path: Path) -> None:
    _write_array(path, _read_block(block_path).transform(images))


@lru_cache(maxsize=1)
def _read_block(path: Path) -> FeatureBlock:
    return pickle.loads(read_sealed(path))  # noqa: S301 (written by us)


def _read_array(path: Path) -> np.ndarray:
    return np.load(io.BytesIO(read_sealed(path)))


def _read_whole(read: Callable[[Path], Any], path: Path) -> Any:
    """Read a file of the cache; None for one that is missing, or damaged and therefore deleted."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 (whatever a damaged file raises)
        logger.warning("%s can't be read and is computed again: %r", path, error)
        path.unlink(missing_ok=True)
        return None


def _write_array(path: Path, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array)
    write_sealed(path, content.getvalue())
