"""Results as MLflow entities, logged in batches: one round trip, not one per value."""

from __future__ import annotations

import json
import math
import re
import time
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.common.data_version import DataVersion

#: Limits of one request (https://mlflow.org/docs/latest/rest-api.html#log-batch).
MAX_METRICS, MAX_PARAMS, MAX_VALUE = 1000, 100, 6000
_DIGEST_LENGTH = 36
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_\-. :/]")


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested settings to dotted keys.

    Items of a list that have an id are named by it, other lists are written as JSON.

    Examples
    --------
    >>> flatten({"seed": 1, "search": {"candidates": [{"id": "a", "share": 2.0}]}})
    {'seed': '1', 'search.candidates.a.share': '2.0'}
    """
    flat: dict[str, str] = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            by_id = {str(v.get("id", i)): _without_id(v) for i, v in enumerate(value)}
            flat |= flatten(by_id, f"{key}.")
        elif isinstance(value, dict):
            flat |= flatten(value, f"{key}.")
        else:
            flat[key] = value if isinstance(value, str) else json.dumps(value, default=str)
    return flat


def _without_id(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "id"}


def metrics(
    values: Mapping[str, Any],
    model_id: str | None = None,
    step: int = 0,
    timestamp: int | None = None,
) -> list[Any]:
    """Return the finite numbers as MLflow metrics, attached to a logged model if one is named.

    With the same timestamp (in milliseconds), logging them again changes nothing.
    """
    from mlflow.entities import Metric

    timestamp = milliseconds() if timestamp is None else timestamp
    return [
        Metric(_key(name), float(value), timestamp, step, model_id=model_id)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    ]


def candidate_metrics(row: Mapping[str, Any], timestamp: int | None = None) -> list[Any]:
    """Return every number of a leaderboard row as a metric."""
    numbers = {name: value for name, value in row.items() if isinstance(value, Real)}
    return metrics(numbers, timestamp=timestamp)


def trial_curve(trials: pd.DataFrame, timestamp: int | None = None) -> list[Any]:
    """Return the value of every trial that has one, and the best complete one so far, by number."""
    curve: list[Any] = []
    best = math.nan
    for trial in trials.to_dict("records"):
        value = math.nan if trial["value"] is None else float(trial["value"])
        if trial["state"] == "complete" and not best >= value:
            best = value
        values = {"trial_value": value, "best_trial_value": best, "seconds": trial["seconds"]}
        curve += metrics(values, step=int(trial["number"]), timestamp=timestamp)
    return curve


def datasets(version: DataVersion) -> list[Any]:
    """Return every split as an MLflow data set whose digest is its fingerprint."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": version.location, "origin": version.origin})
    return [
        DatasetInput(
            Dataset(
                name=f"fashion-mnist-{split}",
                digest=fingerprint[:_DIGEST_LENGTH],
                source_type="local",
                source=source,
                profile=json.dumps({"sha256": fingerprint, "data": version.description}),
            ),
            [InputTag("mlflow.data.context", split)],
        )
        for split, fingerprint in version.splits.items()
    ]


def log_all(
    tracking: Any,
    run_id: str,
    values: Sequence[Any] = (),
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log metrics, parameters and tags in as few requests as MLflow's limits allow."""
    from mlflow.entities import Param, RunTag

    parameters = [Param(_key(k), str(v)[:MAX_VALUE]) for k, v in (params or {}).items()]
    notes = [RunTag(key, value[:MAX_VALUE]) for key, value in (tags or {}).items()]
    while values or parameters or notes:
        tracking.log_batch(
            run_id,
            metrics=values[: MAX_METRICS - 2 * MAX_PARAMS],
            params=parameters[:MAX_PARAMS],
            tags=notes[:MAX_PARAMS],
        )
        values = values[MAX_METRICS - 2 * MAX_PARAMS :]
        parameters, notes = parameters[MAX_PARAMS:], notes[MAX_PARAMS:]


def milliseconds(*seconds: float | None) -> int:
    """Return the finite durations' sum in milliseconds; without any argument, the time now."""
    if not seconds:
        return time.time_ns() // 1_000_000
    return int(1000 * sum(value for value in seconds if value and math.isfinite(value)))


def _key(name: str) -> str:
    """Replace what MLflow does not allow in the name of a parameter or metric."""
    return _FORBIDDEN.sub("_", name)
