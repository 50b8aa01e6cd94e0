"""The figures of a run as JSON, with a schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cards.client.task_times import Reused, TaskTime  # noqa: TC001 (types of fields)
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.statistics import wilson
from fmnist_lib.evaluation.metrics import confusion_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.evaluation.run_comparison import RunResults

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Part):
    """A share with its confidence interval (Wilson)."""

    value: Share
    low: Share
    high: Share
    confidence: Share


class Candidate(_Part):
    """A row of the leaderboard; a failed candidate has no scores."""

    candidate: str
    engine: str
    status: str = Field(
        description='"winner", "ok", "over the limits", "baseline", or "failed: " and the reason'
    )
    description: str = Field(description="the best pipeline in a few words")
    validation_accuracy: Share | None
    accuracy_low: Share | None
    accuracy_high: Share | None
    validation_log_loss: float | None
    p_value: Share | None = Field(description="McNemar's test against the winner")
    pareto: bool = Field(description="on the Pareto front of accuracy, prediction time and size")
    trial_accuracy: Share | None = Field(description="of the best trial: optimistic")
    trials: int
    stopped: str = Field("", description="why the search ended before its trials did")
    search_seconds: float
    fit_seconds: float
    fit_rows: int = Field(description="training images of the validated fit")
    predict_ms_per_image: float = Field(description="on one core, in batches of 1,000")
    model_mb: float = Field(description="pickled pipeline, in 10**6 bytes")


class Test(_Part):
    """The winner on the test images, which are used once."""

    images: int
    accuracy: Interval
    recall: dict[str, Interval] = Field(description="by class")
    confusion: list[list[int]] = Field(description="rows: true classes; columns: predicted ones")
    classes: list[str] = Field(description="names of the rows and columns of `confusion`")
    metrics: dict[str, float] = Field(description="macro F1, log loss, calibration error and more")


class Report(_Part):
    """The figures of a training run."""

    format: Literal[1] = Field(
        1, description="raised whenever a field is renamed, removed, or changes its meaning"
    )
    run: str = Field(description="address in Metaflow")
    data: dict[str, str] = Field(description="SHA-256 of images and labels, by split")
    code: dict[str, str] = Field(description="Git commit, Python and packages")
    settings: dict[str, Any] = Field(description="the configuration, every key resolved")
    winner: Candidate
    candidates: list[Candidate] = Field(description="best first, failed ones last")
    test: Test
    timeline: list[TaskTime] = Field(
        description="tasks that the run executed; empty if made from a bundle"
    )
    reused: Reused | None = Field(
        None, description="tasks that a resumed run took over, which are not in the timeline"
    )


def build_report(
    results: RunResults, times: Sequence[TaskTime] = (), reused: Reused | None = None
) -> Report:
    """Return the report of a run.

    Parameters
    ----------
    results : RunResults
    times : sequence of TaskTime
    reused : Reused or None
        See `cards.client.task_times`.
    """
    rows = json.loads(results.leaderboard.to_json(orient="records"))
    # An empty text is a missing value in a CSV file.
    texts = ("status", "description", "stopped")
    rows = [row | {key: row.get(key) or "" for key in texts} for row in rows]
    candidates = [Candidate.model_validate(row) for row in rows]
    confusion = confusion_matrix(results.labels, results.predictions)
    return Report(
        run=results.name,
        data=dict(results.data),
        code=dict(results.code),
        settings=dict(results.settings),
        winner=next(one for one in candidates if one.candidate == results.winner["candidate"]),
        candidates=candidates,
        test=Test(
            images=len(results.labels),
            accuracy=_interval(results.accuracy()),
            recall={
                name: _interval(wilson(int(row[label]), int(row.sum())))
                for label, (name, row) in enumerate(zip(CLASS_NAMES, confusion, strict=True))
                if row.any()
            },
            confusion=confusion.tolist(),
            classes=list(CLASS_NAMES),
            metrics=dict(results.metrics),
        ),
        timeline=list(times),
        reused=reused,
    )


def _interval(estimate: Estimate) -> Interval:
    return Interval(**vars(estimate))
