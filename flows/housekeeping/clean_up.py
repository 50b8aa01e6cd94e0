"""Plan a clean-up, and carry it out so that it may be interrupted at any moment.

A run first leaves Metaflow's sight as a whole, by a rename into the trash. Then its bundle, cards,
MLflow files and part of the cache are deleted, and its folder in the trash last: the next clean-up
completes what it finds there. Blobs that no remaining run refers to come at the end.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from fmnist_lib.common.deletion import MLFLOW
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.writer_lock import no_new_writers, only_cleanup
from fmnist_lib.registry.stored_files import delete_stored_files, read_stored_files
from housekeeping.retention import Surroundings, live_run_ids, reasons_to_keep
from shared.runs import MONITOR, TRAINING, find_champion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fmnist_lib.common.deletion import Deletion
    from fmnist_lib.registry.stored_files import StoredFiles
    from fmnist_lib.workflows.housekeeping import ProjectFiles
    from housekeeping.stored_runs import LocalStore, StoredRun

FLOWS = (TRAINING, MONITOR)
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Plan:
    """Runs and files that a clean-up deletes.

    Attributes
    ----------
    runs : tuple of StoredRun
        Every run, the newest of each flow first.
    reasons : dict of str to str
        Why a run is kept, by ``flow/run``.
    interrupted : tuple of StoredRun
        Runs that an earlier clean-up did not delete completely.
    of_runs, of_no_run : tuple of Deletion
        Files of the runs to delete, and other files.
    blobs : tuple of Deletion
        Blobs that no kept run refers to.
    is_writing : bool
        A run is running, so the blobs stay for now.
    """

    runs: tuple[StoredRun, ...]
    reasons: dict[str, str]
    interrupted: tuple[StoredRun, ...]
    of_runs: tuple[Deletion, ...]
    of_no_run: tuple[Deletion, ...]
    blobs: tuple[Deletion, ...]
    is_writing: bool

    @property
    def deleted_runs(self) -> list[StoredRun]:
        """The runs to delete."""
        return [run for run in self.runs if run.key not in self.reasons]

    @property
    def sizes(self) -> Counter[str]:
        """Bytes to delete now, by kind."""
        now = () if self.is_writing else self.blobs
        return total(chain(self.of_runs, self.of_no_run, now))


class Housekeeping:
    """A clean-up of one datastore and of the files that its runs keep elsewhere.

    Parameters
    ----------
    store : LocalStore
    files : ProjectFiles
    keep : int
        Number of the latest runs of each flow to keep.
    min_age_hours : float
        Nothing that was written since then is deleted.
    """

    def __init__(
        self, store: LocalStore, files: ProjectFiles, keep: int, min_age_hours: float
    ) -> None:
        self._store, self._files, self._keep = store, files, keep
        self._recent = time.time() - min_age_hours * _SECONDS_PER_HOUR

    @cached_property
    def _stored(self) -> StoredFiles:
        return read_stored_files(self._files.address)

    def plan(self) -> Plan:
        """Return what a clean-up would delete now; nothing is changed."""
        with no_new_writers(self._store.root) as is_idle:
            pass
        return self._plan(is_idle)

    def apply(self) -> tuple[Plan, Counter[str]]:
        """Delete the files; return the plan, and the freed bytes by kind.

        Raises
        ------
        DataError
            Another clean-up is running.
        TrackingError
            MLflow does not answer; another call completes the clean-up.
        """
        freed: Counter[str] = Counter()
        # Imports MLflow, which takes seconds, before a run would have to wait for it.
        read_stored_files(self._files.address)
        with only_cleanup(self._store.root):
            with no_new_writers(self._store.root) as is_idle:
                plan = self._plan(is_idle)
                moved = [self._store.move_to_trash(run) for run in plan.deleted_runs]
            for run in (*plan.interrupted, *moved):
                self._delete_run(run, freed)
            _apply(plan.of_no_run, freed)
            with no_new_writers(self._store.root) as is_idle:
                if is_idle:
                    runs = [run for flow in FLOWS for run in self._store.runs(flow)]
                    _apply(self._unused_blobs(runs), freed)
        return replace(plan, is_writing=not is_idle), freed

    def _plan(self, is_idle: bool) -> Plan:
        runs = {flow: self._store.runs(flow) for flow in FLOWS}
        everything = tuple(chain.from_iterable(runs.values()))
        interrupted = tuple(run for flow in FLOWS for run in self._store.trash(flow))
        reasons = reasons_to_keep(runs, self._keep, self._surroundings(everything, is_idle))
        kept = [run for run in everything if run.key in reasons]
        deleted = [run for run in everything if run.key not in reasons]
        of_runs = [one for run in (*interrupted, *deleted) for one in self._of_run(run)]
        known = {deletion.path for deletion in of_runs}
        others = [one for one in self._files.of_no_run(self._recent) if one.path not in known]
        return Plan(
            runs=everything,
            reasons=reasons,
            interrupted=interrupted,
            of_runs=tuple(of_runs),
            of_no_run=tuple(others),
            blobs=tuple(self._unused_blobs(kept)),
            is_writing=not is_idle,
        )

    def _surroundings(self, runs: Iterable[StoredRun], is_idle: bool) -> Surroundings:
        last = (self._store.last_started(flow) for flow in FLOWS)
        stored = self._stored
        return Surroundings(
            is_writing=not is_idle,
            recent=self._recent,
            named=live_run_ids(),
            last_started=frozenset(filter(None, last)),
            champion=self._champion(),
            registered=stored.registered,
            spooled=self._files.spooled(run.key for run in runs),
            tracked=frozenset(chain.from_iterable(stored.runs.values())),
        )

    def _champion(self) -> str | None:
        try:
            return str(find_champion(None, self._files.address).run)
        except DataError:
            return None

    def _of_run(self, run: StoredRun) -> list[Deletion]:
        """Return everything of a run, in the order in which it is deleted."""
        elsewhere = [*self._files.of_run(run.key), *self._stored.deletions(run.key)]
        return [*elsewhere, *run.deletions]

    def _delete_run(self, run: StoredRun, freed: Counter[str]) -> None:
        """Delete a run in the trash, whose folder comes last."""
        _apply(self._files.of_run(run.key), freed)
        freed[MLFLOW] += delete_stored_files(self._files.address, self._stored, run.key)
        _apply(run.deletions, freed)

    def _unused_blobs(self, runs: Iterable[StoredRun]) -> list[Deletion]:
        used: dict[str, set[str]] = {flow: set() for flow in FLOWS}
        for run in runs:
            used[run.flow] |= run.blobs
        return [
            deletion
            for flow, keys in used.items()
            for deletion in self._store.unused_blobs(flow, keys, self._recent)
        ]


def total(deletions: Iterable[Deletion]) -> Counter[str]:
    """Return the bytes of files by kind."""
    sizes: Counter[str] = Counter()
    for deletion in deletions:
        sizes[deletion.kind] += deletion.size
    return sizes


def _apply(deletions: Iterable[Deletion], freed: Counter[str]) -> None:
    for deletion in deletions:
        freed[deletion.kind] += deletion.apply()
