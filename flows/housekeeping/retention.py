"""Decide which runs a clean-up keeps, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.formatting import short_list
from shared.runs import MONITOR, OWN_PREFIXES, OWN_TAGS, TRAINING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from housekeeping.stored_runs import StoredRun

#: Ids of local runs are microseconds since 1970.
_RUN_ID = re.compile(r"\b\d{16,}\b")


@dataclass(frozen=True)
class Surroundings:
    """Facts about the runs that are not in their own files.

    Attributes
    ----------
    is_writing : bool
        A run, which may be any unfinished one, holds the datastore's lock.
    recent : float
        Runs written since then are kept, in seconds since 1970.
    named : collection of str
        Ids on command lines of live processes.
    last_started : collection of str
        Ids of the runs that ``resume`` without an id resumes.
    champion : str or None
        ``flow/run`` of the champion that the monitor would use.
    registered, spooled : collection of str
        ``flow/run`` of runs with a registered version, and with one that is not delivered yet.
    tracked : collection of str
        MLflow's ids of the runs in the tracking store.
    """

    is_writing: bool = False
    recent: float = float("inf")
    named: Collection[str] = ()
    last_started: Collection[str] = ()
    champion: str | None = None
    registered: Collection[str] = ()
    spooled: Collection[str] = ()
    tracked: Collection[str] = ()


def reasons_to_keep(
    runs: Mapping[str, Sequence[StoredRun]], keep: int, surroundings: Surroundings
) -> dict[str, str]:
    """Return why each run is kept, by ``flow/run``; the others may be deleted.

    Parameters
    ----------
    runs : mapping of str to sequence of StoredRun
        Of every flow, the newest first.
    keep : int
        Number of the latest runs of each flow to keep.
    surroundings : Surroundings
    """
    known = {run.key: run for found in runs.values() for run in found}
    reasons = {}
    for found in runs.values():
        for position, run in enumerate(found):
            reason = f"among the last {keep}" if position < keep else _reason(run, surroundings)
            if reason:
                reasons[run.key] = reason
    # A run that another one needs may need a third.
    open_keys = list(reasons)
    while open_keys:
        key = open_keys.pop()
        for needed, relation in needs(known[key]):
            if needed in known and needed not in reasons:
                reasons[needed] = f"{relation} {key}"
                open_keys.append(needed)
    return reasons


def needs(run: StoredRun) -> Iterator[tuple[str, str]]:
    """Yield the runs that a run refers to, and how.

    Cards and logs of cloned tasks are those of the run that it was resumed from. Resuming it, and
    the retraining that it requests, read the champion and the monitor's batch.
    """
    for origin in run.origins:
        yield f"{run.flow}/{origin}", "origin of"
    challenges = run.artifacts("challenge")
    for challenge in challenges:
        yield getattr(challenge, "monitor_run", ""), "monitor run of"
    champions = [getattr(challenge, "champion", None) for challenge in challenges]
    for champion in (*champions, *run.artifacts("champion_run")):
        yield getattr(champion, "run", ""), "champion of"
    # The parameters: a run that has just started has no other artifacts yet.
    for name, flow in (("monitor", MONITOR), ("training_run", TRAINING)):
        for wanted in filter(None, run.artifacts(name)):
            yield f"{flow}/{str(wanted).rpartition('/')[2]}", "named by"


def live_run_ids() -> set[str]:
    """Return every run id on the command line of a live process of this machine."""
    import psutil

    lines = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
    return {found for line in lines for word in line for found in _RUN_ID.findall(word)}


def _reason(run: StoredRun, surroundings: Surroundings) -> str | None:
    """Return why a run is kept that is not among the last ones."""
    tags = [tag for tag in sorted(run.tags) if not _is_own(tag)]
    if tags:
        return f"tagged {short_list(tags)}"
    if run.is_damaged:
        return "its metadata can't be read"
    if run.key in surroundings.registered:
        return "its model is registered"
    if "promoted" in run.tags or any(run.artifacts("promoted")):
        return "promoted"
    return _reason_of_use(run, surroundings) or _reason_of_tracking(run, surroundings)


def _reason_of_use(run: StoredRun, surroundings: Surroundings) -> str | None:
    if run.key == surroundings.champion:
        return "the champion that the monitor uses"
    if run.id in surroundings.last_started:
        return "`resume` without an id resumes it"
    if run.id in surroundings.named:
        return "named by a process that is running"
    if surroundings.is_writing and not run.finished:
        return "unfinished, and a run is running"
    if run.last_write > surroundings.recent:
        return "written recently"
    return None


def _reason_of_tracking(run: StoredRun, surroundings: Surroundings) -> str | None:
    if run.key in surroundings.spooled:
        return "spooled: MLflow has not accepted it yet"
    ids: list[Any] = [found for found in run.artifacts("mlflow_run_id") if found]
    if not all(found in surroundings.tracked for found in ids):
        return "logged in another MLflow store"
    return None


def _is_own(tag: str) -> bool:
    """Return True for a tag that the flows set."""
    return tag in OWN_TAGS or tag.startswith(OWN_PREFIXES)
