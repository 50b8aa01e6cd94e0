"""A training run in MLflow: one parent run, one child run per candidate, one model version."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from fmnist_lib.registry.entries import (
    candidate_metrics,
    datasets,
    flatten,
    log_all,
    metrics,
    milliseconds,
    trial_curve,
)
from fmnist_lib.registry.idempotent_runs import COMPLETE, delete_twins, find_or_create
from fmnist_lib.registry.promotion import is_decided, promote
from fmnist_lib.registry.store import (
    FIRST_CONTACT,
    BoundedClient,
    client,
    mlflow_calls,
    quiet_mlflow,
)
from fmnist_lib.registry.versions import CHAMPION, MODEL_SHA256, register

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.model_files.stored_model import SavedModel
    from fmnist_lib.registry.gates import GateResult, Measures
    from fmnist_lib.registry.promotion import Compare, PromotionDecision
    from fmnist_lib.registry.store import TrackingStore
    from fmnist_lib.registry.versions import RegisteredVersion


class CandidateDetails(TypedDict):
    """Search result of one candidate.

    ``params`` are the best pipeline's hyper-parameters; ``trials`` has a row per trial with the
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
        Commit of the checkout; None outside git.
    """

    flow: str
    run_id: str
    pathspec: str
    user: str
    git_commit: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """MLflow tags that identify the Metaflow run."""
        tags = {
            "metaflow.flow": self.flow,
            "metaflow.run_id": self.run_id,
            "metaflow.pathspec": self.pathspec,
            "mlflow.user": self.user,
        }
        if self.git_commit:
            tags["mlflow.source.git.commit"] = self.git_commit
            tags["git.dirty"] = str(self.git_commit.endswith("-dirty")).lower()
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
        One row per candidate; ``status`` is "winner", "ok", "baseline" or "failed: why".
    candidates : mapping of str to CandidateDetails
        By candidate id; a failed candidate may be missing.
    test_metrics : mapping of str to float
    measures : Measures
        Of the winner, for the gates.
    pictures : tuple of Picture
    extra_gates : sequence of GateResult
        Gates that only the caller can evaluate.
    system : mapping of str to float
        Load of the machine; see `fmnist_lib.registry.run_environment.system_metrics`.
    files : mapping of str to bytes
        Further files of the run, by path.
    environment : mapping
        Python, machine and packages; see `fmnist_lib.registry.run_environment.environment`.
    created : int
        Milliseconds since 1970, the timestamp of every metric, which makes logging idempotent.
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
    system: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    created: int = field(default_factory=milliseconds)

    @property
    def key(self) -> str:
        """Unique name of the run."""
        return f"{self.identity.flow}/{self.identity.run_id}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the parent run and of every child."""
        return self.identity.tags | {
            "data.origin": self.data_version.origin,
            "data.fingerprint": self.data_version.fingerprint,
            "data.dvc": self.data_version.dvc or "none",
        }

    @property
    def version_tags(self) -> dict[str, str]:
        """Tags of the model version: its origin and its measures."""
        return self.tags | self.measures.as_tags()


@dataclass(frozen=True)
class TrackedRun:
    """Location of a training run in MLflow.

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
    decision : PromotionDecision or None
        Result of the gates; None when an earlier call has checked them.
    """

    run_id: str
    model_uri: str
    model_name: str
    model_version: str
    alias: str
    tracking_uri: str
    decision: PromotionDecision | None


def log_training_run(
    store: TrackingStore,
    record: TrainingRecord,
    model: SavedModel,
    compare: Compare | None = None,
) -> TrackedRun:
    """Log a finished training run, register its model, and promote it if it passes the gates.

    Idempotent: what an earlier call has logged before it failed is completed, so that the store
    holds every run once.

    Parameters
    ----------
    store : TrackingStore
        From `prepare_store`.
    record : TrainingRecord
    model : SavedModel
        Its directory is an MLflow model.
    compare : callable, optional
        See `fmnist_lib.registry.promotion.promote`.

    Raises
    ------
    TrackingError
        The store refused or stopped answering; the parent run is then marked FAILED if it can
        still be reached, and no alias has moved.
    """
    with mlflow_calls(store.uri):
        tracking = BoundedClient(store.uri, record.settings.tracking.max_seconds)
        run_id = _start_parent(tracking, store, record)
        try:
            children = [
                _log_candidate(tracking, store, record, run_id, row.to_dict())
                for _, row in record.leaderboard.iterrows()
            ]
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
            decision = _promote(store, record, version, compare)
            tags = {"model.name": version.name, "model.version": version.version}
            tags |= {"promotion": decision.reason} if decision else {}
            log_all(tracking, run_id, tags=tags | {COMPLETE: "true"})
            delete_twins(tracking, store.experiment_id, record.key, {run_id, *children})
            tracking.set_terminated(run_id, "FINISHED")
        except BaseException:
            _mark_failed(client(store.uri), run_id)
            raise
    return TrackedRun(
        run_id=run_id,
        model_uri=version.uri,
        model_name=version.name,
        model_version=version.version,
        alias=CHAMPION if decision and decision.promoted else version.alias,
        tracking_uri=store.public_uri,
        decision=decision,
    )


def _promote(
    store: TrackingStore,
    record: TrainingRecord,
    version: RegisteredVersion,
    compare: Compare | None,
) -> PromotionDecision | None:
    """Check the gates, once per version."""
    if is_decided(store, version.name, version.version):
        return None
    return promote(
        store,
        version.name,
        version.version,
        record.measures,
        record.settings.gates,
        compare=compare,
        extra=record.extra_gates,
        by=record.identity.user,
    )


def _start_parent(tracking: Any, store: TrackingStore, record: TrainingRecord) -> str:
    tags = record.tags | {"mlflow.note.content": f"Data: {record.data_version.description}."}
    run = find_or_create(tracking, store.experiment_id, record.key, tags=tags, run_name=record.key)
    return str(run.info.run_id)


def _log_candidate(
    tracking: Any, store: TrackingStore, record: TrainingRecord, parent: str, row: dict[str, Any]
) -> str:
    """Log one candidate as a child run that lasts as long as its search did."""
    candidate, status = str(row["candidate"]), str(row["status"])
    kind, _, reason = status.partition(":")
    tags = record.tags | {"mlflow.parentRunId": parent, "candidate": candidate, "status": kind}
    if kind == "failed":
        tags["reason"] = reason.strip()
    run = find_or_create(
        tracking,
        store.experiment_id,
        f"{record.key}/{candidate}",
        start_time=record.created - milliseconds(row.get("search_seconds"), row.get("fit_seconds")),
        tags=tags,
        run_name=candidate,
    )
    run_id, details = str(run.info.run_id), record.candidates.get(candidate)
    if run.data.tags.get(COMPLETE):
        return run_id
    params = {"engine": row["engine"], "description": row["description"]}
    values = candidate_metrics(row, record.created)
    if details is not None:
        params |= flatten(details["params"])
        trials = details["trials"]
        if trials is not None:
            values += trial_curve(trials, record.created)
            tracking.log_text(run_id, trials.to_csv(index=False), "trials.csv")
    log_all(tracking, run_id, values, params)
    status = "FAILED" if kind == "failed" else "FINISHED"
    tracking.set_terminated(run_id, status, end_time=record.created)
    tracking.set_tag(run_id, COMPLETE, "true")
    return run_id


def _log_model(
    tracking: Any, store: TrackingStore, record: TrainingRecord, run_id: str, model: SavedModel
) -> str:
    """Upload the model's files as the run's output; return the logged model's id."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    logged = _logged_model(tracking, store, record, run_id)
    if logged.status == "READY":
        return str(logged.model_id)
    description = Model.load(str(model.directory))
    description.run_id, description.artifact_path = run_id, logged.artifact_location
    description.model_uuid = description.model_id = logged.model_id
    description.save(str(model.directory / "MLmodel"))
    tracking.log_model_artifacts(logged.model_id, str(model.directory))
    outputs = tracking.get_run(run_id).outputs
    if logged.model_id not in [one.model_id for one in (outputs and outputs.model_outputs) or ()]:
        tracking.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    tracking.finalize_logged_model(logged.model_id, "READY")
    tags: dict[str, str] = {"model.format": model.format, MODEL_SHA256: model.sha256}
    if model.fallback_reason:
        tags["model.format.reason"] = model.fallback_reason
    log_all(tracking, run_id, tags=tags)
    return str(logged.model_id)


def _logged_model(tracking: Any, store: TrackingStore, record: TrainingRecord, run_id: str) -> Any:
    """Find the run's logged model, or create it."""
    found = tracking.search_logged_models(
        [store.experiment_id], filter_string=f"source_run_id = '{run_id}'"
    )
    if found:
        return found[0]
    return tracking.create_logged_model(
        store.experiment_id,
        name="champion",
        source_run_id=run_id,
        tags=record.tags,
        model_type="classifier",
    )


def _log_parent(tracking: Any, record: TrainingRecord, run_id: str, model_id: str) -> None:
    """Log settings, test metrics, data and every file of the whole run."""
    tracking.log_inputs(run_id, datasets=datasets(record.data_version))
    values = {f"test_{key}": value for key, value in record.test_metrics.items()}
    system = {f"system/{key}": value for key, value in record.system.items()}
    log_all(
        tracking,
        run_id,
        metrics(values, model_id, timestamp=record.created)
        + metrics(system, timestamp=record.created),
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
        environment = json.dumps(record.environment, indent=2)
        (directory / "environment.json").write_text(environment, encoding="utf-8")
        for path, content in record.files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        tracking.log_artifacts(run_id, str(directory))


def _mark_failed(tracking: Any, run_id: str) -> None:
    """Mark the parent FAILED, if the store still answers."""
    with contextlib.suppress(Exception), quiet_mlflow(**FIRST_CONTACT):
        tracking.set_terminated(run_id, "FAILED")
