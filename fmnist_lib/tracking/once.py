"""Runs that are made once, however often the attempt is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

#: Tag that names a run; no two runs of an experiment may have the same.
KEY = "delivery.key"
#: Tag of a run that holds everything it should.
COMPLETE = "delivery.complete"


def find_or_create(
    tracking: Any, experiment_id: str, key: str, *, tags: dict[str, str], **details: Any
) -> Any:
    """Return the run of that key, and make it if there is none.

    Parameters
    ----------
    tracking : MlflowClient
    experiment_id, key : str
    tags : dict of str to str
        Of a new run.
    **details
        Of `MlflowClient.create_run`.
    """
    found = tracking.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'")
    if found:
        return min(found, key=_age)
    return tracking.create_run(experiment_id, tags=tags | {KEY: key}, **details)


def delete_twins(tracking: Any, experiment_id: str, key: str, keep: Collection[str]) -> None:
    """Delete what else there is of a run and its children.

    A server that makes a run, and dies before it says so, is asked again and makes another.
    """
    for run in tracking.search_runs([experiment_id], f"tags.`{KEY}` LIKE '{key}%'"):
        name = run.data.tags[KEY]
        if run.info.run_id not in keep and (name == key or name.startswith(f"{key}/")):
            tracking.delete_run(run.info.run_id)


def _age(run: Any) -> tuple[bool, int, str]:
    """Complete ones first, then the oldest."""
    return not run.data.tags.get(COMPLETE), run.info.start_time, run.info.run_id
