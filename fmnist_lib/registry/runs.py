"""A training run in MLflow: one parent run, one child run per candidate, one model version."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.csv_cells import safe_cells
from fmnist_lib.common.run_report import TrackedRun
from fmnist_lib.config.loading import validate_settings
from fmnist_lib.registry.gates import Measures
from fmnist_lib.registry.idempotent_runs import (
    COMPLETE,
    delete_duplicates,
    find_or_create,
    is_newer,
)
from fmnist_lib.registry.mlflow_entities import (
    candidate_metrics,
    datasets,
    flatten,
    log_all,
    metrics,
    milliseconds,
    trial_curve,
)
from fmnist_lib.registry.promotion import is_champion, promote, recorded_decision
from fmnist_lib.registry.store import (
    FIRST_CONTACT,
    BoundedClient,
    client,
    mlflow_calls,
    quiet_mlflow,
)
from fmnist_lib.registry.versions import CHAMPION, MODEL_SHA256, register

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.common.promotion_decision import PromotionDecision
    from fmnist_lib.common.run_report import RunReport
    from fmnist_lib.config.training import Settings
    from fmnist_lib.model_files.stored_model import SavedModel
    from fmnist_lib.registry.promotion import Compare
    from fmnist_lib.registry.store import TrackingStore
    from fmnist_lib.registry.versions import RegisteredVersion


def log_training_run(
    store: TrackingStore,
    report: RunReport,
    model: SavedModel,
    compare: Compare | None = None,
    before_alias: Callable[[], None] = lambda: None,
) -> TrackedRun:
    """Log a finished training run, register its model, and promote it if it passes the gates.

    Idempotent: what an earlier call logged before it failed is completed, so that the store holds
    every run once. A resumed run completes what the run that it resumes has logged.

    Parameters
    ----------
    store : TrackingStore
        From `prepare_store`.
    report : RunReport
    model : SavedModel
        Its directory is an MLflow model.
    compare : callable, optional
        See `fmnist_lib.registry.promotion.promote`.
    before_alias : callable
        Called before the model is registered; raises an error if that must not happen.

    Raises
    ------
    TrackingError
        The store refused or stopped answering; the parent run is then marked FAILED if it can
        still be reached, and no alias has moved.
    """
    config, measures = _settings(report).tracking, _measures(report, model)
    run_id = None
    try:
        with mlflow_calls(store.uri):
            tracking = BoundedClient(store.uri, config.max_seconds)
            run_id = _start_parent(tracking, store, report)
            children = [
                _log_candidate(tracking, store, report, run_id, row)
                for row in report.leaderboard.to_dict("records")
            ]
            model_id = _log_model(tracking, store, report, run_id, model)
            sha256 = _log_parent(tracking, report, run_id, model_id)
            before_alias()
            version = register(
                store,
                config.model_name,
                model_id,
                run_id,
                origin=report.data_version.origin,
                identity=_tags(report),
                tags=measures.as_tags() | {MODEL_SHA256: sha256},
            )
            # The gates are checked once per version.
            recorded = recorded_decision(store, version.name, version.version)
            decision = recorded or _promote(store, report, version, measures, compare)
            promoted = is_champion(store, version) if recorded else decision.promoted
            tags = {"model.name": version.name, "model.version": version.version}
            tags |= {"promotion": decision.reason, COMPLETE: "true"}
            log_all(tracking, run_id, tags=tags)
            delete_duplicates(
                tracking, store.experiment_id, report.identity.delivery_key, {run_id, *children}
            )
            tracking.set_terminated(run_id, "FINISHED")
    except BaseException:
        # Outside of the calls above, whose timeouts are longer.
        if run_id:
            _mark_failed(store, run_id)
        raise
    return TrackedRun(
        run_id=run_id,
        model_uri=version.uri,
        model_name=version.name,
        model_version=version.version,
        alias=CHAMPION if promoted else version.alias,
        tracking_uri=store.public_uri,
        decision=decision,
    )


def _promote(
    store: TrackingStore,
    report: RunReport,
    version: RegisteredVersion,
    measures: Measures,
    compare: Compare | None,
) -> PromotionDecision:
    return promote(
        store,
        version.name,
        version.version,
        measures,
        _settings(report).gates,
        compare=compare,
        extra=report.extra_gates,
        by=report.identity.user,
    )


def _settings(report: RunReport) -> Settings:
    return validate_settings(report.settings, "configuration")


def _measures(report: RunReport, model: SavedModel) -> Measures:
    """Return the winner's measures for the gates."""
    evaluation, data = report.evaluation, report.data_version
    worst = evaluation.per_class.sort_values("recall", na_position="first").iloc[0]
    return Measures(
        accuracy=evaluation.accuracy,
        lowest_class=str(worst["class"]),
        lowest_recall=float(worst["recall"]),
        calibration_error=evaluation.calibration_error,
        ms_per_image=report.ms_per_image,
        model_mb=model.size_bytes / 1e6,
        origin=data.origin,
        test_set=data.splits.get("test", ""),
        correct=report.test_probabilities.argmax(axis=1) == report.labels["test"],
        unsafe=model.fallback_reason if model.format == "cloudpickle" else None,
        git_commit=report.identity.git_commit,
    )


def _tags(report: RunReport) -> dict[str, str]:
    """Return the tags of the parent run, of every child and of the model version."""
    data = report.data_version
    return report.identity.tags | {
        "data.origin": data.origin,
        "data.fingerprint": data.fingerprint,
        "data.dvc": data.dvc or "none",
    }


def _start_parent(tracking: Any, store: TrackingStore, report: RunReport) -> str:
    tags = _tags(report) | {"mlflow.note.content": f"Data: {report.data_version.description}."}
    run = find_or_create(
        tracking,
        store.experiment_id,
        report.identity.delivery_key,
        tags=tags,
        run_name=report.identity.key,
    )
    return str(run.info.run_id)


def _log_candidate(
    tracking: Any, store: TrackingStore, report: RunReport, parent: str, row: dict[str, Any]
) -> str:
    """Log one candidate as a child run that lasts as long as its search did."""
    candidate, status = str(row["candidate"]), str(row["status"])
    kind, _, reason = status.partition(":")
    tags = _tags(report) | {"mlflow.parentRunId": parent, "candidate": candidate, "status": kind}
    if kind == "failed":
        tags["reason"] = reason.strip()
    duration = milliseconds(row.get("search_seconds"), row.get("fit_seconds"))
    run = find_or_create(
        tracking,
        store.experiment_id,
        f"{report.identity.delivery_key}/{candidate}",
        start_time=report.created - duration,
        tags=tags,
        run_name=candidate,
    )
    run_id = str(run.info.run_id)
    if run.data.tags.get(COMPLETE):
        return run_id
    # That of the first attempt: with the same timestamps, no metric is logged twice.
    created = run.info.start_time + duration
    result = next(one for one in report.candidates if one.id == candidate)
    params = {"engine": result.engine, "description": result.description} | flatten(result.params)
    values = candidate_metrics(row, created)
    if result.trials is not None:
        values += trial_curve(result.trials, created)
        tracking.log_text(run_id, safe_cells(result.trials).to_csv(index=False), "trials.csv")
    log_all(tracking, run_id, values, params)
    status = "FAILED" if kind == "failed" else "FINISHED"
    tracking.set_terminated(run_id, status, end_time=created)
    tracking.set_tag(run_id, COMPLETE, "true")
    return run_id


def _log_model(
    tracking: Any, store: TrackingStore, report: RunReport, run_id: str, model: SavedModel
) -> str:
    """Upload the model's files as the run's output; return the logged model's id."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    logged = _logged_model(tracking, store, report, run_id)
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
    tags: dict[str, str] = {"model.format": model.format, MODEL_SHA256: model.sha256}
    if model.fallback_reason:
        tags["model.format.reason"] = model.fallback_reason
    log_all(tracking, run_id, tags=tags)
    tracking.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def _logged_model(tracking: Any, store: TrackingStore, report: RunReport, run_id: str) -> Any:
    """Find the run's logged model, or create it."""
    found = tracking.search_logged_models(
        [store.experiment_id], filter_string=f"source_run_id = '{run_id}'"
    )
    if found:
        if is_newer(_tags(report), found[0].tags):
            tracking.set_logged_model_tags(found[0].model_id, _tags(report))
        return found[0]
    return tracking.create_logged_model(
        store.experiment_id,
        name="champion",
        source_run_id=run_id,
        tags=_tags(report),
        model_type="classifier",
    )


def _measured(report: RunReport) -> dict[str, float]:
    """Return what was measured on the test images."""
    sets = report.prediction_sets.as_metrics() if report.prediction_sets else {}
    return report.evaluation.as_metrics() | sets


def _log_parent(tracking: Any, report: RunReport, run_id: str, model_id: str) -> str:
    """Log settings, test metrics, data and every file of the run; return the model's SHA-256.

    It is that of the model's first upload: the same model may pickle differently in two processes.
    """
    tracking.log_inputs(run_id, datasets=datasets(report.data_version))
    values = {f"test_{key}": value for key, value in _measured(report).items()}
    system = {f"system/{key}": value for key, value in report.system.items()}
    found = metrics(values, model_id, timestamp=report.created)
    found += metrics(system, timestamp=report.created)
    logged = tracking.get_run(run_id).data
    new = [metric for metric in found if metric.key not in logged.metrics]
    log_all(tracking, run_id, new, flatten(report.settings))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "figures").mkdir()
        for picture in report.pictures:
            (directory / "figures" / f"{picture.name}.png").write_bytes(picture.png)
        safe_cells(report.leaderboard).to_csv(directory / "leaderboard.csv", index=False)
        settings = _settings(report).model_dump_json(indent=2)
        (directory / "settings.json").write_text(settings, encoding="utf-8")
        environment = json.dumps(report.environment, indent=2)
        (directory / "environment.json").write_text(environment, encoding="utf-8")
        for path, file in report.files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(file)
        tracking.log_artifacts(run_id, str(directory))
    return str(logged.tags[MODEL_SHA256])


def _mark_failed(store: TrackingStore, run_id: str) -> None:
    """Mark the parent FAILED, if the store answers at once."""
    with contextlib.suppress(Exception), quiet_mlflow(**FIRST_CONTACT):
        client(store.uri).set_terminated(run_id, "FAILED")
