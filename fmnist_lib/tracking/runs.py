"""A training run as MLflow sees it: one parent, one child a candidate, one model version."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from fmnist_lib.tracking.entries import (
    candidate_metrics,
    datasets,
    flatten,
    log_all,
    metrics,
    milliseconds,
    trial_curve,
)
from fmnist_lib.tracking.promotion import promote
from fmnist_lib.tracking.registry import CHAMPION, MODEL_SHA256, register
from fmnist_lib.tracking.store import client, mlflow_calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.config import Settings
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.persistence.stored_model import SavedModel
    from fmnist_lib.plotting import Picture
    from fmnist_lib.tracking.gates import GateResult, Measures
    from fmnist_lib.tracking.promotion import Compare, PromotionDecision
    from fmnist_lib.tracking.store import TrackingStore


class CandidateDetails(TypedDict):
    """What the search found for one candidate.

    ``params`` are the best pipeline's hyper-parameters; ``trials`` has a row a trial with the
    columns number, state ("complete", "pruned" or "failed"), value (higher is better), seconds
    (since the search began) and one for each hyper-parameter; None for a search without trials.
    """

    params: dict[str, Any]
    trials: pd.DataFrame | None


@dataclass(frozen=True)
class RunIdentity:
    """The Metaflow run that a result belongs to.

    Attributes
    ----------
    flow, run_id : str
        Name of the flow and number of the run.
    pathspec : str
        Address of the publishing task, as ``metaflow.Task`` takes it.
    user : str
    git_commit : str or None
        Commit of the checkout, when it is one.
    """

    flow: str
    run_id: str
    pathspec: str
    user: str
    git_commit: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """MLflow tags that lead back to the run."""
        tags = {
            "metaflow.flow": self.flow,
            "metaflow.run_id": self.run_id,
            "metaflow.pathspec": self.pathspec,
            "mlflow.user": self.user,
        }
        if self.git_commit:
            tags["mlflow.source.git.commit"] = self.git_commit
        return tags


@dataclass(frozen=True)
class TrainingRecord:
    """Everything about a training run that is logged.

    Attributes
    ----------
    identity : RunIdentity
    settings : Settings
    data_version : DataVersion
    leaderboard : DataFrame
        One row a candidate; ``status`` is "champion", "ok", "baseline" or "failed: why".
    candidates : mapping of str to CandidateDetails
        By candidate id; a failed candidate may be missing.
    test_metrics : mapping of str to float
    measures : Measures
        Of the champion, for the gates.
    pictures : tuple of Picture
    extra_gates : sequence of GateResult
        Gates that only the caller can judge.
    """

    identity: RunIdentity
    settings: Settings
    data_version: DataVersion
    leaderboard: pd.DataFrame
    candidates: Mapping[str, CandidateDetails]
    test_metrics: Mapping[str, float]
    measures: Measures
    pictures: tuple[Picture, ...] = ()
    extra_gates: Sequence[GateResult] = ()

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the parent run and of every child."""
        return self.identity.tags | {
            "data.origin": self.data_version.origin,
            "data.fingerprint": self.data_version.fingerprint,
        }

    @property
    def version_tags(self) -> dict[str, str]:
        """Tags of the model version: whence it comes, and how good it is on which images."""
        return self.tags | self.measures.as_tags()


@dataclass(frozen=True)
class TrackedRun:
    """Where MLflow keeps a training run.

    Attributes
    ----------
    run_id : str
        The parent run.
    model_uri : str
        ``models:/<name>/<version>``.
    model_name, model_version, alias : str
        The registered version and the alias that points to it.
    tracking_uri : str
        Address of the store, without credentials.
    decision : PromotionDecision
        What the gates said.
    """

    run_id: str
    model_uri: str
    model_name: str
    model_version: str
    alias: str
    tracking_uri: str
    decision: PromotionDecision


def log_training_run(
    store: TrackingStore,
    record: TrainingRecord,
    model: SavedModel,
    compare: Compare | None = None,
) -> TrackedRun:
    """Log a finished training run, register its model, and promote it if it passes the gates.

    Parameters
    ----------
    store : TrackingStore
        From `prepare_store`.
    record : TrainingRecord
    model : SavedModel
        Its directory is an MLflow model.
    compare : callable, optional
        See `fmnist_lib.tracking.promotion.promote`.

    Raises
    ------
    TrackingError
        The store refused or stopped answering; the parent run is then marked FAILED if it can
        still be reached, and no alias has moved.
    """
    with mlflow_calls(store.uri):
        tracking = client(store.uri)
        run_id = _start_parent(tracking, store, record)
        try:
            for _, row in record.leaderboard.iterrows():
                _log_candidate(tracking, store, record, run_id, row.to_dict())
            model_id = _log_model(tracking, store, record, run_id, model)
            _log_parent(tracking, record, run_id, model_id)
            version = register(
                store,
                record.settings.tracking.model_name,
                model_id,
                run_id,
                origin=record.data_version.origin,
                tags=record.version_tags | {MODEL_SHA256: model.sha256},
            )
            decision = promote(
                store,
                version.name,
                version.version,
                record.measures,
                record.settings.gates,
                compare=compare,
                extra=record.extra_gates,
                by=record.identity.user,
            )
            tags = {"model.name": version.name, "model.version": version.version}
            log_all(tracking, run_id, tags=tags | {"promotion": decision.reason})
            tracking.set_terminated(run_id, "FINISHED")
        except BaseException:
            _mark_failed(tracking, run_id)
            raise
    return TrackedRun(
        run_id=run_id,
        model_uri=version.uri,
        model_name=version.name,
        model_version=version.version,
        alias=CHAMPION if decision.promoted else version.alias,
        tracking_uri=store.public_uri,
        decision=decision,
    )


def _start_parent(tracking: Any, store: TrackingStore, record: TrainingRecord) -> str:
    name = f"{record.identity.flow}/{record.identity.run_id}"
    tags = record.tags | {"mlflow.note.content": f"Data: {record.data_version.description}."}
    run = tracking.create_run(store.experiment_id, tags=tags, run_name=name)
    return str(run.info.run_id)


def _log_candidate(
    tracking: Any, store: TrackingStore, record: TrainingRecord, parent: str, row: dict[str, Any]
) -> None:
    """Log one candidate as a child run that lasts as long as its search did."""
    candidate, status = str(row["candidate"]), str(row["status"])
    kind, _, reason = status.partition(":")
    end = milliseconds()
    tags = record.tags | {"mlflow.parentRunId": parent, "candidate": candidate, "status": kind}
    if kind == "failed":
        tags["reason"] = reason.strip()
    run = tracking.create_run(
        store.experiment_id,
        start_time=end - milliseconds(row.get("search_seconds"), row.get("fit_seconds")),
        tags=tags,
        run_name=candidate,
    )
    run_id, details = run.info.run_id, record.candidates.get(candidate)
    params = {"engine": row["engine"], "description": row["description"]}
    values = candidate_metrics(row)
    if details is not None:
        params |= flatten(details["params"])
        trials = details["trials"]
        if trials is not None:
            values += trial_curve(trials)
            tracking.log_text(run_id, trials.to_csv(index=False), "trials.csv")
    log_all(tracking, run_id, values, params)
    tracking.set_terminated(run_id, "FAILED" if kind == "failed" else "FINISHED", end_time=end)


def _log_model(
    tracking: Any, store: TrackingStore, record: TrainingRecord, run_id: str, model: SavedModel
) -> str:
    """Upload the model's files as the run's output; return the logged model's id."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    logged = tracking.create_logged_model(
        store.experiment_id,
        name="champion",
        source_run_id=run_id,
        tags=record.tags,
        model_type="classifier",
    )
    tracking.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    try:
        description = Model.load(str(model.directory))
        description.run_id, description.artifact_path = run_id, logged.artifact_location
        description.model_uuid = description.model_id = logged.model_id
        description.save(str(model.directory / "MLmodel"))
        tracking.log_model_artifacts(logged.model_id, str(model.directory))
    except BaseException:
        tracking.finalize_logged_model(logged.model_id, "FAILED")
        raise
    tracking.finalize_logged_model(logged.model_id, "READY")
    tags: dict[str, str] = {"model.format": model.format, MODEL_SHA256: model.sha256}
    if model.fallback_reason:
        tags["model.format.reason"] = model.fallback_reason
    log_all(tracking, run_id, tags=tags)
    return str(logged.model_id)


def _log_parent(tracking: Any, record: TrainingRecord, run_id: str, model_id: str) -> None:
    """Log settings, test metrics, data and every file of the whole run."""
    tracking.log_inputs(run_id, datasets=datasets(record.data_version))
    log_all(
        tracking,
        run_id,
        metrics({f"test_{key}": value for key, value in record.test_metrics.items()}, model_id),
        flatten(record.settings.model_dump(mode="json")),
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "figures").mkdir()
        for picture in record.pictures:
            (directory / "figures" / f"{picture.name}.png").write_bytes(picture.png)
        record.leaderboard.to_csv(directory / "leaderboard.csv", index=False)
        settings = record.settings.model_dump_json(indent=2)
        (directory / "settings.json").write_text(settings, encoding="utf-8")
        tracking.log_artifacts(run_id, str(directory))


def _mark_failed(tracking: Any, run_id: str) -> None:
    """Mark the parent FAILED, if the store still answers."""
    import contextlib

    with contextlib.suppress(Exception):
        tracking.set_terminated(run_id, "FAILED")
