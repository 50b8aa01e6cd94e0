"""Publish a finished training run: bundle, tracking, registry, one-page summary.

The only module that combines `release` and `tracking`, which do not import each other.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.data.changes import RowIndex
from fmnist_lib.evaluation.latency import milliseconds_per_image
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.registry.gates import GateResult, Measures
from fmnist_lib.registry.run_environment import environment, system_metrics
from fmnist_lib.registry.runs import TrainingRecord, log_training_run
from fmnist_lib.registry.spool import keep
from fmnist_lib.registry.store import prepare_store, quiet_mlflow
from fmnist_lib.registry.versions import CHAMPION, load_version
from fmnist_lib.release.bundle import BundleContents, bundle_path, write_bundle
from fmnist_lib.release.documents import DocumentFacts, render_documents
from fmnist_lib.release.summary import RunSummary, render_summary
from fmnist_lib.serving.mlflow_model import write_mlflow_model
from fmnist_lib.workflows.data_changes import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.audit import DataAudit
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.evaluation.metrics import Evaluation
    from fmnist_lib.model_files.stored_model import SavedModel
    from fmnist_lib.registry.promotion import Compare
    from fmnist_lib.registry.runs import RunIdentity, TrackedRun
    from fmnist_lib.registry.store import TrackingStore
    from fmnist_lib.release.bundle import BundleInfo
    from fmnist_lib.search.engines.result import CandidateResult
    from fmnist_lib.workflows.retrain import Contest

logger = logging.getLogger(__name__)

#: Test images that a saved copy of the winner is checked on.
_CHECKED_IMAGES = 200


@dataclass(frozen=True, eq=False)
class TrainingOutcome:
    """Results of a training run.

    Attributes
    ----------
    settings : Settings
    dataset : Dataset
    data_version : DataVersion
    results : sequence of CandidateResult
    leaderboard : DataFrame
    champion : sklearn.pipeline.Pipeline
        Fitted.
    evaluation : Evaluation
    test_probabilities : ndarray of shape (n_test, 10)
    pictures : tuple of Picture
        One of them named "confusion".
    drift_verdict : str
    contest : Contest or None
        For a retraining run: comparison with the champion it is to replace.
    audit : DataAudit or None
        For the datasheet.
    cards : mapping of str to str
        HTML pages of the cards so far, by step or candidate.
    """

    settings: Settings
    dataset: Dataset
    data_version: DataVersion
    results: Sequence[CandidateResult]
    leaderboard: pd.DataFrame
    champion: Any
    evaluation: Evaluation
    test_probabilities: np.ndarray
    pictures: tuple[Picture, ...]
    drift_verdict: str
    contest: Contest | None = None
    audit: DataAudit | None = None
    cards: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Published:
    """Locations of a published training run.

    Attributes
    ----------
    bundle : BundleInfo
    tracked : TrackedRun or None
        None when MLflow could not be used; the summary then gives the reason.
    summary : RunSummary
    summary_html : str
        Also written beside the bundle.
    promoted : bool
        Whether the model is the champion now; without MLflow, whether it could be.
    """

    bundle: BundleInfo
    tracked: TrackedRun | None
    summary: RunSummary
    summary_html: str
    promoted: bool


def publish(
    outcome: TrainingOutcome,
    identity: RunIdentity,
    root: Path,
    environment_uri: str | None = None,
) -> Published:
    """Write the bundle and the summary, and log the run in MLflow.

    An error of MLflow is logged as a warning and never fails a training run.

    Parameters
    ----------
    outcome : TrainingOutcome
    identity : RunIdentity
    root : Path
        Checkout: its source goes into the bundle, and relative paths start there.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.

    Raises
    ------
    ReleaseError
        The bundle cannot be written; nothing has been logged then.
    """
    with TemporaryDirectory() as directory:
        model = _save_model(outcome, Path(directory) / "model")
        bundle = _bundle(outcome, identity, model, root)
        tracked, problem = _track(outcome, identity, model, root, environment_uri)
    summary = _summary(outcome, identity, bundle, tracked, problem)
    page = render_summary(summary)
    bundle.path.with_suffix(".html").write_text(page, encoding="utf-8")
    return Published(
        bundle=bundle,
        tracked=tracked,
        summary=summary,
        summary_html=page,
        promoted=(
            tracked.alias == CHAMPION if tracked else not outcome.contest or outcome.contest.better
        ),
    )


def _save_model(outcome: TrainingOutcome, directory: Path) -> SavedModel:
    """Write the winner with its held-out reference."""
    train, test, release = outcome.dataset.train, outcome.dataset.test, outcome.settings.release
    model = save_model(
        outcome.champion,
        test.images[:_CHECKED_IMAGES],
        directory,
        HeldOutReference.fit(train.images, test.images, test.labels, outcome.test_probabilities),
        allow_cloudpickle=release.allow_cloudpickle,
        max_mb=release.max_model_mb,
    )
    if model.fallback_reason:
        logger.warning("The model is saved with cloudpickle: %s.", model.fallback_reason)
    return model


def _bundle(
    outcome: TrainingOutcome, identity: RunIdentity, model: SavedModel, root: Path
) -> BundleInfo:
    contents = BundleContents(
        splits={name: (one.images, one.labels) for name, one in outcome.dataset.splits.items()},
        data_version=outcome.data_version,
        model_directory=model.directory,
        settings=outcome.settings,
        leaderboard=outcome.leaderboard,
        metrics=outcome.evaluation.as_metrics(),
        test_probabilities=outcome.test_probabilities,
        source_root=root,
        identity=identity.tags,
        documents=_documents(outcome, identity, model),
    )
    name = f"{identity.flow}-{identity.run_id}"
    return write_bundle(bundle_path(outcome.settings.release, root, name), contents)


def _documents(
    outcome: TrainingOutcome, identity: RunIdentity, model: SavedModel
) -> dict[str, str]:
    """Return the pages about the run, without what is known only after the bundle is written."""
    summary = replace(
        _summary(outcome, identity, None, None, "written before the run was tracked"), created=""
    )
    facts = DocumentFacts(
        run=summary,
        model=model,
        per_class=outcome.evaluation.per_class,
        labels={name: split.labels for name, split in outcome.dataset.splits.items()},
        twins=outcome.audit.twins if outcome.audit else (),
    )
    pages = {"summary.html": render_summary(summary)} | render_documents(facts)
    return pages | {f"cards/{name}.html": page for name, page in outcome.cards.items()}


def _track(
    outcome: TrainingOutcome,
    identity: RunIdentity,
    model: SavedModel,
    root: Path,
    environment_uri: str | None,
) -> tuple[TrackedRun | None, str | None]:
    """Log the run; return the error message if that fails."""
    record = TrainingRecord(
        identity=identity,
        settings=outcome.settings,
        data_version=outcome.data_version,
        leaderboard=outcome.leaderboard,
        candidates={
            result.id: {"params": result.params, "trials": result.trials}
            for result in outcome.results
        },
        test_metrics=outcome.evaluation.as_metrics(),
        measures=_measures(outcome, identity, model),
        pictures=outcome.pictures,
        extra_gates=_contest_gate(outcome.contest),
        files={ROWS: RowIndex.of(outcome.dataset.splits.values()).to_bytes()},
        system=system_metrics(),
        environment=environment(),
    )
    try:
        with quiet_mlflow():
            place = model.directory.with_name("mlflow")
            packed = write_mlflow_model(model, outcome.champion, outcome.dataset.test.images, place)
    except ModelError as error:
        logger.warning("The run is not in MLflow. %s", error)
        return None, str(error)
    try:
        store = prepare_store(outcome.settings.tracking, root, environment_uri)
        return log_training_run(store, record, packed, _champion_evaluator(outcome, store)), None
    except Exception as error:  # noqa: BLE001 - no error of MLflow may lose the run
        problem = _spool_run(
            resolve_path(outcome.settings.tracking.spool, root), record, packed, error
        )
        logger.warning("The run is not in MLflow. %s", problem)
        return None, problem


def _spool_run(directory: Path, record: TrainingRecord, model: SavedModel, error: Exception) -> str:
    """Spool the run; return the command that delivers it, and the error."""
    try:
        place = keep(directory, record, model, str(error))
    except OSError as spool_error:
        return f"{error} It could not be spooled either: {spool_error}."
    # The command comes first: the summary truncates the message to one line.
    return f"`python -m fmnist_lib registry sync` delivers it from {place} later. {error}"


def _measures(outcome: TrainingOutcome, identity: RunIdentity, model: SavedModel) -> Measures:
    """Return the winner's measures for the gates."""
    test, evaluation = outcome.dataset.test, outcome.evaluation
    worst = evaluation.per_class.sort_values("recall", na_position="first").iloc[0]
    return Measures(
        accuracy=evaluation.accuracy,
        lowest_class=str(worst["class"]),
        lowest_recall=float(worst["recall"]),
        calibration_error=evaluation.calibration_error,
        ms_per_image=milliseconds_per_image(outcome.champion, test.images),
        model_mb=model.size_bytes / 1e6,
        origin=outcome.data_version.origin,
        test_set=outcome.data_version.splits.get("test", ""),
        correct=outcome.test_probabilities.argmax(axis=1) == test.labels,
        unsafe=model.fallback_reason if model.format == "cloudpickle" else None,
        git_commit=identity.git_commit,
    )


def _contest_gate(contest: Contest | None) -> tuple[GateResult, ...]:
    """Return the gate of a retraining run: the model must beat the champion, not just match it."""
    if contest is None:
        return ()
    return (
        GateResult(
            "beats-champion",
            passed=contest.better,
            measured=f"{100 * contest.comparison.difference:+.2f} points",
            required="more correct than the champion",
            explanation=contest.reason,
        ),
    )


def _champion_evaluator(outcome: TrainingOutcome, store: TrackingStore) -> Compare:
    """Return a function that evaluates a champion on this run's test images."""
    test, name = outcome.dataset.test, outcome.settings.tracking.model_name

    def compare(version: str) -> np.ndarray:
        champion = load_version(store.uri, name, version)
        return np.asarray(champion.predict(test.images)) == test.labels

    return compare


def _summary(
    outcome: TrainingOutcome,
    identity: RunIdentity,
    bundle: BundleInfo | None,
    tracked: TrackedRun | None,
    problem: str | None,
) -> RunSummary:
    return RunSummary(
        flow=identity.flow,
        run_id=identity.run_id,
        user=identity.user,
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        seed=outcome.settings.seed,
        data_version=outcome.data_version,
        leaderboard=outcome.leaderboard,
        metrics=outcome.evaluation.as_metrics(),
        confidence=outcome.evaluation.accuracy.confidence,
        confused_pairs=outcome.evaluation.confused_pairs,
        confusion=next(one for one in outcome.pictures if one.name == "confusion"),
        drift_verdict=outcome.drift_verdict,
        tracked=tracked,
        tracking_problem=problem,
        bundle=bundle,
        git_commit=identity.git_commit,
    )
