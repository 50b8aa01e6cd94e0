"""Runs in Metaflow's local datastore, read from its files.

The layout is Metaflow's own (2.19): ``<root>/<flow>/<run>/<step>/<task>/<attempt>.data.json``
names the blobs of a task, ``<root>/<flow>/data/<xx>/<sha1>`` is a blob that any number of tasks
share, and ``<root>/mf.cards/<flow>/runs/<run>`` has the cards. A resumed run names the run that it
cloned tasks from in their metadata.
"""

from __future__ import annotations

import json
import logging
import pickle
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.deletion import CARDS, DATASTORE, Deletion, last_write
from fmnist_lib.common.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection

logger = logging.getLogger(__name__)

#: Folder of runs that a clean-up is deleting; Metaflow's listings leave hidden folders out.
TRASH = ".trash"
_KEY = re.compile(r"\b[0-9a-f]{40}\b")
#: A blob, its metadata, or what a killed process left of either.
_BLOB = re.compile(r"(?P<key>[0-9a-f]{40})(_meta)?|tmp\w+")


class StoredRun:
    """One run in the datastore.

    Parameters
    ----------
    folder : Path
    store : LocalStore
    flow : str
    """

    def __init__(self, folder: Path, store: LocalStore, flow: str) -> None:
        self.folder, self.flow, self.id = folder, flow, folder.name
        self._store = store

    @property
    def key(self) -> str:
        """Address of the run, as ``metaflow.Run`` takes it."""
        return f"{self.flow}/{self.id}"

    @property
    def cards(self) -> Path:
        """Folder of the cards."""
        return self._store.card_root / self.flow / "runs" / self.id

    @property
    def deletions(self) -> list[Deletion]:
        """Everything of the run in the datastore but its blobs, which other runs may share.

        The folder comes last: a clean-up that finds it in the trash knows what is not deleted yet.
        """
        return [Deletion(CARDS, self.cards), Deletion(DATASTORE, self.folder)]

    @cached_property
    def created(self) -> float:
        """Seconds since 1970; the folder's age if the metadata can't be read."""
        try:
            return self._self["ts_epoch"] / 1000
        except (KeyError, TypeError):
            return self.folder.stat().st_mtime

    @property
    def is_damaged(self) -> bool:
        """True if it has metadata that can't be read, so that its tags are unknown."""
        return not self._self and (self.folder / "_meta" / "_self.json").exists()

    @cached_property
    def tags(self) -> frozenset[str]:
        """The user's tags, and those that the flows set."""
        return frozenset(self._self.get("tags", ()))

    @cached_property
    def finished(self) -> bool:
        """True if its last step has ended."""
        return any(self.folder.glob("end/*/*.DONE.lock"))

    @cached_property
    def last_write(self) -> float:
        """Return when anything of it was written, in seconds since 1970."""
        return max(last_write(self.folder), last_write(self.cards))

    @cached_property
    def blobs(self) -> frozenset[str]:
        """Keys of the blobs that it may refer to: artifacts, and code packages in the metadata."""
        manifests = [*self._manifests, *self.folder.glob("*/*/_meta/sysmeta_*.json")]
        return frozenset(
            key for path in manifests for key in _KEY.findall(path.read_text(errors="replace"))
        )

    @cached_property
    def origins(self) -> frozenset[str]:
        """Ids of the runs that it was resumed from: their tasks have the cards and the logs."""
        files = self.folder.glob("*/*/_meta/sysmeta_origin-run-id_*.json")
        return frozenset(str(_read_json(path).get("value")) for path in files) - {"None"}

    def artifacts(self, name: str) -> list[Any]:
        """Return the different values of an artifact in the run's tasks.

        A value that can't be read is left out with a warning.
        """
        keys = sorted({found[name] for found in self._objects if name in found})
        return [value for key in keys for value in self._store.load(self.flow, key)]

    @cached_property
    def _objects(self) -> list[dict[str, str]]:
        """Keys of the blobs of every task's artifacts, by name."""
        return [_read_json(path).get("objects", {}) for path in self._manifests]

    @cached_property
    def _manifests(self) -> list[Path]:
        return sorted(self.folder.glob("*/*/*.data.json"))

    @cached_property
    def _self(self) -> dict[str, Any]:
        return _read_json(self.folder / "_meta" / "_self.json")


@dataclass(frozen=True)
class LocalStore:
    """Metaflow's local datastore.

    Attributes
    ----------
    root : Path
        The folder ``.metaflow``.
    card_root : Path
        Folder of the cards, usually in it.
    """

    root: Path
    card_root: Path

    def runs(self, flow: str) -> list[StoredRun]:
        """Return the runs of a flow, the newest first."""
        folders = [path for path in _folders(self.root / flow) if (path / "_meta").is_dir()]
        found = [StoredRun(path, self, flow) for path in folders]
        return sorted(found, key=lambda run: (run.created, run.id), reverse=True)

    def trash(self, flow: str) -> list[StoredRun]:
        """Return the runs that a clean-up has begun to delete."""
        return [StoredRun(path, self, flow) for path in _folders(self.root / flow / TRASH)]

    def move_to_trash(self, run: StoredRun) -> StoredRun:
        """Make a run disappear from Metaflow at once and as a whole; return it in its new place."""
        target = self.root / run.flow / TRASH / run.id
        target.parent.mkdir(exist_ok=True)
        return StoredRun(run.folder.rename(target), self, run.flow)

    def last_started(self, flow: str) -> str | None:
        """Return the id of the run that ``resume`` without an id resumes."""
        try:
            return (self.root / flow / "latest_run").read_text().strip()
        except FileNotFoundError:
            return None

    def unused_blobs(self, flow: str, used: Collection[str], before: float) -> list[Deletion]:
        """Return the blobs of a flow that no run uses.

        A blob precedes its metadata: Metaflow writes an absent blob together with its metadata,
        but would not write the metadata of a blob that exists.

        Parameters
        ----------
        flow : str
        used : collection of str
            Keys of blobs to keep.
        before : float
            Files written since then are kept, in seconds since 1970.
        """
        unused = []
        for path in sorted((self.root / flow / "data").glob("*/*")):
            match = _BLOB.fullmatch(path.name)
            if match and match["key"] not in used and path.stat().st_mtime <= before:
                unused.append(Deletion(DATASTORE, path))
        return unused

    def load(self, flow: str, key: str) -> list[Any]:
        """Return the value of a blob; empty, with a warning, if it can't be read."""
        from metaflow.datastore import FlowDataStore
        from metaflow.plugins.datastores.local_storage import LocalStorage

        store = FlowDataStore(flow, storage_impl=LocalStorage, ds_root=str(self.root))
        try:
            return [pickle.loads(blob) for _, blob in store.ca_store.load_blobs([key])]  # noqa: S301 (Metaflow's own)
        except Exception as error:  # noqa: BLE001 (whatever a damaged or foreign pickle raises)
            logger.warning("%s: the artifact %s can't be read: %r", flow, key, error)
            return []


def open_store() -> LocalStore:
    """Return the datastore that a run in this directory would use.

    Raises
    ------
    DataError
        There is none yet, or it is not local.
    """
    from metaflow import metaflow_config
    from metaflow.plugins.cards.card_datastore import CardDatastore

    datastore, metadata = metaflow_config.DEFAULT_DATASTORE, metaflow_config.DEFAULT_METADATA
    if (datastore, metadata) != ("local", "local"):
        raise DataError(
            f"clean-up: expected Metaflow's local datastore and metadata, got {datastore} and "
            f"{metadata}. Set lifecycle rules for the bucket instead (docs/housekeeping.md); for "
            "local files, unset METAFLOW_DEFAULT_DATASTORE and METAFLOW_DEFAULT_METADATA."
        )
    root = datastore_root()
    if not root.is_dir():
        raise DataError(
            f"clean-up: expected a folder .metaflow here or above, got none in {Path.cwd()}. "
            "Start it where the runs were started, or set METAFLOW_DATASTORE_SYSROOT_LOCAL."
        )
    return LocalStore(root, Path(CardDatastore.get_storage_root("local")))


def datastore_root() -> Path:
    """Return the folder ``.metaflow`` that a run in this directory uses; it may not exist yet."""
    from metaflow.plugins.datastores.local_storage import LocalStorage

    found = LocalStorage.get_datastore_root_from_config(lambda _: None, create_on_absent=False)
    return Path(found or LocalStorage.DATASTORE_DIR)


def _folders(place: Path) -> list[Path]:
    """Return the folders in a flow's folder or trash that may be runs."""
    return [path for path in place.glob("[!.]*") if path.is_dir() and path.name != "_meta"]


def _read_json(path: Path) -> dict[str, Any]:
    """Return the content of a metadata file; empty if it can't be read."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        logger.warning("%s can't be read: %s", path, error)
        return {}
    return content if isinstance(content, dict) else {}
