"""Idempotent creation of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.natural_order import natural_key
from fmnist_lib.registry.mlflow_entities import log_all

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: Tag with the idempotency key of a run, unique within an experiment.
KEY = "delivery.key"
#: Tag of a run that is completely logged.
COMPLETE = "delivery.complete"


def find_or_create(
    tracking: Any,
    experiment_id: str,
    key: str,
    *,
    tags: dict[str, str],
    run_name: str,
    **details: Any,
) -> Any:
    """Return the run with a key; create it if there is none.

    A run that an interrupted Metaflow run created gets the tags and the name that the newer one,
    which resumes it, gives it.

    Parameters
    ----------
    tracking : MlflowClient
    experiment_id, key : str
    tags : dict of str to str
    run_name : str
    **details
        Arguments of `MlflowClient.create_run`.
    """
    found = tracking.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'")
    if not found:
        tags = tags | {KEY: key}
        return tracking.create_run(experiment_id, tags=tags, run_name=run_name, **details)
    run = min(found, key=_sort_key)
    if is_newer(tags, run.data.tags):
        log_all(tracking, run.info.run_id, tags=tags | {"mlflow.runName": run_name})
    return run


def is_newer(tags: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Return whether tags name a newer Metaflow run than others, or the others name none."""
    one, other = (found.get("metaflow.run_id", "") for found in (tags, others))
    return natural_key(one) > natural_key(other)


def delete_duplicates(tracking: Any, experiment_id: str, key: str, keep: Collection[str]) -> None:
    """Delete duplicates of a run and of its children.

    A retry creates one if the server crashed after it created the run and before it responded.
    """
    for run in tracking.search_runs([experiment_id], f"tags.`{KEY}` LIKE '{key}%'"):
        name = run.data.tags[KEY]
        if run.info.run_id not in keep and (name == key or name.startswith(f"{key}/")):
            tracking.delete_run(run.info.run_id)


def _sort_key(run: Any) -> tuple[bool, int, str]:
    """Sort complete runs first, then the oldest."""
    return not run.data.tags.get(COMPLETE), run.info.start_time, run.info.run_id
