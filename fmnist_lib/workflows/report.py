"""Build the report of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.promotion_decision import GateResult
from fmnist_lib.common.run_report import RunReport
from fmnist_lib.data.changes import RowIndex
from fmnist_lib.evaluation.latency import milliseconds_per_image
from fmnist_lib.registry.mlflow_entities import milliseconds
from fmnist_lib.registry.run_environment import environment, system_metrics
from fmnist_lib.workflows.data_changes import ROWS

if TYPE_CHECKING:
    from fmnist_lib.data.audit_result import DataAudit
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.workflows.retrain import Contest


def build_report(
    dataset: Dataset,
    winner: Any,
    *,
    audit: DataAudit | None = None,
    contest: Contest | None = None,
    **results: Any,
) -> RunReport:
    """Return the report of a run; prediction time and load of the machine are measured here.

    Parameters
    ----------
    dataset : Dataset
    winner : sklearn.pipeline.Pipeline
        Fitted.
    audit : DataAudit, optional
    contest : Contest, optional
        For a retraining run: comparison with the champion it is to replace.
    **results
        The other attributes of `RunReport`.
    """
    return RunReport(
        created=milliseconds(),
        labels={name: split.labels for name, split in dataset.splits.items()},
        duplicates=audit.duplicates if audit else (),
        ms_per_image=milliseconds_per_image(winner, dataset.test.images),
        extra_gates=(_beats_champion(contest),) if contest else (),
        files={ROWS: RowIndex.of(dataset.splits.values()).to_bytes()},
        environment=environment(),
        system=system_metrics(),
        **results,
    )


def _beats_champion(contest: Contest) -> GateResult:
    """Return the gate of a retraining run: the model must beat the champion, not just match it."""
    return GateResult(
        "beats-champion",
        passed=contest.better,
        measured=f"{100 * contest.comparison.difference:+.2f} points",
        required="more correct than the champion",
        explanation=contest.reason,
    )
