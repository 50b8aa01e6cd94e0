"""Assess a batch of new images with the champion, and build and log the signal."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError, TrackingError
from fmnist_lib.drift.assessment import assess_batch
from fmnist_lib.drift.batch import Batch
from fmnist_lib.monitor.signal import Signal
from fmnist_lib.registry.idempotent_runs import find_or_create
from fmnist_lib.registry.mlflow_entities import log_all, metrics
from fmnist_lib.registry.store import client, mlflow_calls, prepare_store

if TYPE_CHECKING:
    from fmnist_lib.common.run_report import RunIdentity
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.config.monitor import MonitorSettings
    from fmnist_lib.data.formats.batch import LabelledImages
    from fmnist_lib.drift.assessment import BatchAssessment
    from fmnist_lib.monitor.challenge import Champion
    from fmnist_lib.registry.store import StoreAddress

logger = logging.getLogger(__name__)

#: Images scored per chunk: the features of a kernel model take far more memory than the images.
_CHUNK_ROWS = 2000
#: A two-sample test needs at least two images.
_MIN_ROWS = 2


def assess(
    champion: Any, reference: Batch, new: LabelledImages, settings: MonitorSettings
) -> BatchAssessment:
    """Score the images, and compare them with the champion's reference.

    Parameters
    ----------
    champion : sklearn.pipeline.Pipeline
    reference : Batch
        Images the champion was not fitted on, with its outputs and their labels.
    new : LabelledImages
    settings : MonitorSettings

    Raises
    ------
    DataError
        The batch has fewer than two images.
    """
    if len(new) < _MIN_ROWS:
        raise DataError(
            f"batch: expected at least {_MIN_ROWS} images to compare with the reference, got "
            f"{len(new)}. Collect more, and pass them in one file."
        )
    return assess_batch(reference, observe(champion, new), settings.drift, settings.seed)


def observe(champion: Any, new: LabelledImages) -> Batch:
    """Score images in chunks, and return them with the champion's outputs."""
    parts = [
        champion.predict_proba(new.images[start : start + _CHUNK_ROWS])
        for start in range(0, len(new), _CHUNK_ROWS)
    ]
    return Batch(new.images, np.concatenate(parts), new.labels)


def build_signal(
    assessment: BatchAssessment,
    new: LabelledImages,
    champion: Champion,
    *,
    batch: str,
    monitor_run: str,
) -> Signal:
    """Build the signal of an assessment.

    Parameters
    ----------
    assessment : BatchAssessment
    new : LabelledImages
    champion : Champion
    batch : str
        Path the images were read from.
    monitor_run : str
        Pathspec of the monitor run.
    """
    estimate = assessment.estimate
    return Signal(
        verdict=assessment.verdict,
        reason=assessment.reason,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        batch=batch,
        batch_sha256=hashlib.sha256(np.ascontiguousarray(new.images).data).hexdigest(),
        images=len(new),
        images_in_batch=new.n_in_file,
        champion=champion.run,
        monitor_run=monitor_run,
        p_value=assessment.p_value,
        reference_accuracy=assessment.reference_accuracy,
        estimated_accuracy=estimate.estimate if estimate else None,
        estimate_reliable=bool(estimate and estimate.reliable),
        realised_accuracy=assessment.realised,
        looks_like=assessment.looks_like,
    )


def track(signal: Signal, identity: RunIdentity, address: StoreAddress) -> str | None:
    """Log a signal as an MLflow run of its own, which a resumed run completes.

    An MLflow error is logged as a warning, so that the run keeps its verdict.

    Parameters
    ----------
    signal : Signal
    identity : RunIdentity
        Of the monitor's run.
    address : StoreAddress

    Returns
    -------
    str or None
        The run's id in MLflow; None if logging failed.
    """
    try:
        store = prepare_store(address)
        with mlflow_calls(store.uri):
            tracking = client(store.uri)
            run = find_or_create(
                tracking,
                store.experiment_id,
                identity.delivery_key,
                tags=identity.tags | _tags(signal),
                run_name=f"{identity.flow}/{identity.run_id}",
            )
            run_id = str(run.info.run_id)
            log_all(tracking, run_id, metrics(_metrics(signal)))
            tracking.set_terminated(run_id, "FINISHED")
    except TrackingError as error:
        logger.warning("The verdict is not in MLflow. %s", error)
        return None
    return run_id


def _tags(signal: Signal) -> dict[str, str]:
    return {
        "verdict": signal.verdict,
        "reason": signal.reason,
        "champion.run": signal.champion,
        "batch": signal.batch,
        "batch.sha256": signal.batch_sha256,
    }


def _metrics(signal: Signal) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        "images": signal.images,
        "retrain": float(signal.retrain),
        "p_value": signal.p_value,
    }
    for name in ("reference", "estimated", "realised"):
        estimate: Estimate | None = getattr(signal, f"{name}_accuracy")
        if estimate:
            values |= {
                f"{name}_accuracy": estimate.value,
                f"{name}_accuracy_low": estimate.low,
                f"{name}_accuracy_high": estimate.high,
            }
    return values
