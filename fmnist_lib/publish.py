"""Publish a finished training run: bundle, tracking, registry, one-page summary.

The one place where `release` and `tracking` come together; neither knows the other.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fmnist_lib.errors import TrackingError
from fmnist_lib.release.bundle import BundleContents, bundle_path, write_bundle
from fmnist_lib.release.summary import RunSummary, render_summary
from fmnist_lib.tracking.model import save_model
from fmnist_lib.tracking.registry import CHAMPION
from fmnist_lib.tracking.runs import TrainingRecord, log_training_run
from fmnist_lib.tracking.store import prepare_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from fmnist_lib.config import Settings
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.evaluation.metrics import Evaluation
    from fmnist_lib.plotting import Picture
    from fmnist_lib.release.bundle import BundleInfo
    from fmnist_lib.retraining import Contest
    from fmnist_lib.search.result import CandidateResult
    from fmnist_lib.tracking.model import SavedModel
    from fmnist_lib.tracking.runs import RunIdentity, TrackedRun

logger = logging.getLogger(__name__)

#: Test images that a saved copy of the champion is checked on.
_CHECKED_IMAGES = 100


@dataclass(frozen=True, eq=False)
class TrainingOutcome:
    """Everything a training run came to.

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
        Of a retraining run: with the champion it is to replace.
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

    @property
    def lost(self) -> str:
        """Why the model must not replace the champion; empty when it may."""
        return "" if self.contest is None or self.contest.better else self.contest.reason


@dataclass(frozen=True, eq=False)
class Published:
    """Where a training run can be found.

    Attributes
    ----------
    bundle : BundleInfo
    tracked : TrackedRun or None
        None when MLflow could not be used; the summary then says why.
    summary : RunSummary
    summary_html : str
        Also written beside the bundle.
    promoted : bool
        Whether the model is the champion now; without MLflow, whether it might be.
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

    Trouble with MLflow is a warning: a training run is never lost to it.

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
        images = outcome.dataset.test.images[:_CHECKED_IMAGES]
        model = save_model(outcome.champion, images, Path(directory) / "model")
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
        promoted=tracked.alias == CHAMPION if tracked else not outcome.lost,
    )


def _bundle(
    outcome: TrainingOutcome, identity: RunIdentity, model: SavedModel, root: Path
) -> BundleInfo:
    contents = BundleContents(
        splits={name: (one.images, one.labels) for name, one in outcome.dataset.splits.items()},
        data_version=outcome.data_version,
        model_file=model.file,
        model_format=model.format,
        trusted_types=model.trusted_types,
        settings=outcome.settings,
        leaderboard=outcome.leaderboard,
        metrics=outcome.evaluation.as_metrics(),
        test_probabilities=outcome.test_probabilities,
        source_root=root,
        identity=identity.tags,
    )
    name = f"{identity.flow}-{identity.run_id}"
    return write_bundle(bundle_path(outcome.settings.release, root, name), contents)


def _track(
    outcome: TrainingOutcome,
    identity: RunIdentity,
    model: SavedModel,
    root: Path,
    environment_uri: str | None,
) -> tuple[TrackedRun | None, str | None]:
    """Log the run; what MLflow says when it cannot."""
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
        pictures=outcome.pictures,
        lost=outcome.lost,
    )
    try:
        store = prepare_store(outcome.settings.tracking, root, environment_uri)
        return log_training_run(store, record, model), None
    except TrackingError as error:
        logger.warning("The run is not in MLflow. %s", error)
        return None, str(error)


def _summary(
    outcome: TrainingOutcome,
    identity: RunIdentity,
    bundle: BundleInfo,
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
