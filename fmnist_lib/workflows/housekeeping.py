"""Files of runs outside Metaflow's datastore: bundles, MLflow artifacts, cache, spool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnist_lib.common.cache import excess_entries
from fmnist_lib.common.deletion import BUNDLES, CACHE, SPOOL, Deletion, last_write
from fmnist_lib.common.files import stale_partial_files
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.registry.spool import spool_place, spooled_runs, unfinished_runs
from fmnist_lib.registry.store import StoreAddress
from fmnist_lib.release.bundle import bundle_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fmnist_lib.config.training import Settings

#: Parts of the cache that belong to one run.
_OF_A_RUN = ("retraining", "progress")


@dataclass(frozen=True)
class ProjectFiles:
    """Places where runs keep files outside the datastore.

    Attributes
    ----------
    settings : Settings
    root : Path
        Checkout, where relative paths start.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.
    """

    settings: Settings
    root: Path
    environment_uri: str | None = None

    @property
    def address(self) -> StoreAddress:
        """Address of the tracking store."""
        return StoreAddress(self.settings.tracking, self.root, self.environment_uri)

    @property
    def cache(self) -> Path:
        """Directory of the cache."""
        return resolve_path(self.settings.search.cache, self.root)

    @property
    def spool(self) -> Path:
        """Directory of the spool."""
        return resolve_path(self.settings.tracking.spool, self.root)

    def spooled(self, runs: Iterable[str]) -> frozenset[str]:
        """Return those of the runs, ``flow/run``, that are to be delivered to MLflow yet."""
        places = set(spooled_runs(self.spool))
        return frozenset(run for run in runs if spool_place(self.spool, run) in places)

    def of_run(self, run: str) -> list[Deletion]:
        """Return the bundle of a run, ``flow/run``, and its part of the cache."""
        bundle = bundle_path(self.settings.release, self.root, run)
        found = [
            Deletion(BUNDLES, bundle.with_suffix(suffix)) for suffix in (".zip", ".html", ".pdf")
        ]
        cached = (self.cache / part / run.rpartition("/")[2] for part in _OF_A_RUN)
        return found + [Deletion(CACHE, path) for path in cached]

    def of_no_run(self, before: float) -> list[Deletion]:
        """Return what exceeds the cache's maximum size, and leftovers of killed processes.

        Parameters
        ----------
        before : float
            Nothing that was written since then is returned, in seconds since 1970.
        """
        bundles = bundle_path(self.settings.release, self.root, "any").parent
        places = {
            CACHE: excess_entries(self.cache, self.settings.search.cache_gib),
            SPOOL: unfinished_runs(self.spool),
            BUNDLES: stale_partial_files(bundles),
        }
        found = [Deletion(kind, path) for kind, paths in places.items() for path in paths]
        return [deletion for deletion in found if last_write(deletion.path) <= before]
