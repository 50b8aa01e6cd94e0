"""Publish a finished training run: bundle, MLflow, one-page summary."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fmnist_lib.common.errors import DatastoreError, ModelError
from fmnist_lib.common.files import delete_stale_partial_files, write_atomically
from fmnist_lib.common.machine_failures import machine_failure
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.common.run_report import Publication
from fmnist_lib.config.loading import validate_settings
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import save_model
from fmnist_lib.registry.runs import log_training_run
from fmnist_lib.registry.spool import spool_run
from fmnist_lib.registry.store import StoreAddress, prepare_store, quiet_mlflow
from fmnist_lib.registry.versions import CHAMPION, load_version
from fmnist_lib.release.bundle import bundle_path, write_bundle
from fmnist_lib.release.pdf import print_pdf
from fmnist_lib.release.summary import render_summary
from fmnist_lib.serving.mlflow_model import write_mlflow_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fmnist_lib.common.promotion_decision import PromotionDecision
    from fmnist_lib.common.run_report import RunReport, TrackedRun
    from fmnist_lib.config.release import ReleaseConfig
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Dataset, Split
    from fmnist_lib.model_files.stored_model import SavedModel
    from fmnist_lib.registry.promotion import Compare
    from fmnist_lib.registry.store import TrackingStore

logger = logging.getLogger(__name__)

#: Test images that a saved copy of the winner is checked on.
_CHECKED_IMAGES = 200


@dataclass(frozen=True)
class Published:
    """A published run; every field is an artifact of the step `publish`.

    Attributes
    ----------
    mlflow_run_id, model_uri : str or None
        None when MLflow could not be used.
    promotion : PromotionDecision or None
        None without MLflow.
    promoted : bool
    bundle_path : str
    summary_html : str
    """

    mlflow_run_id: str | None
    model_uri: str | None
    promotion: PromotionDecision | None
    promoted: bool
    bundle_path: str
    summary_html: str

    @classmethod
    def of(cls, report: RunReport) -> Self:
        """Return what is kept of a published run."""
        publication = report.publication
        tracked, bundle = publication.tracked, publication.bundle
        assert bundle is not None  # noqa: S101 (`publish` has written it)
        return cls(
            mlflow_run_id=tracked.run_id if tracked else None,
            model_uri=tracked.model_uri if tracked else None,
            promotion=tracked.decision if tracked else None,
            promoted=publication.promoted,
            bundle_path=str(bundle.path),
            summary_html=render_summary(report),
        )


def publish(
    report: RunReport,
    dataset: Dataset,
    winner: Any,
    root: Path,
    environment_uri: str | None = None,
    *,
    cards: Mapping[str, str] | None = None,
    before_alias: Callable[[], None] = lambda: None,
) -> RunReport:
    """Write the bundle and the summary, and log the run in MLflow.

    An error of MLflow is logged as a warning and never fails a training run. The summary is also
    printed to PDF, in the bundle and beside it, if the machine has Chromium.

    Parameters
    ----------
    report : RunReport
    dataset : Dataset
    winner : sklearn.pipeline.Pipeline
        Fitted.
    root : Path
        Checkout: its source goes into the bundle, and relative paths start there.
    environment_uri : str or None
        Value of ``MLFLOW_TRACKING_URI``, read by the caller.
    cards : mapping of str to str, optional
        HTML pages of the cards so far, by step or candidate, for the bundle.
    before_alias : callable
        Called before the model is registered; raises DatastoreError if the run could not store
        its results.

    Returns
    -------
    RunReport
        The same with its publication.

    Raises
    ------
    ReleaseError
        The bundle cannot be written; nothing has been logged then.
    DatastoreError
        From ``before_alias``; no alias has moved.
    """
    settings: Settings = validate_settings(report.settings, "configuration")
    path = bundle_path(settings.release, root, report.identity.key)
    images = {name: split.images for name, split in dataset.splits.items()}
    with TemporaryDirectory() as directory, ThreadPoolExecutor(1) as printer:
        # Chromium takes about a second, which saving the model takes too.
        printing = printer.submit(print_pdf, render_summary(report))
        model = _save_model(report, dataset, winner, Path(directory) / "model", settings.release)
        pdf = printing.result()
        bundle = write_bundle(
            path, report, images, model, root=root, cards=cards or {}, summary_pdf=pdf
        )
        tracked, problem = _track(
            report,
            dataset.test,
            winner,
            model,
            address=StoreAddress(settings.tracking, root, environment_uri),
            before_alias=before_alias,
        )
    # Without MLflow, the gates of the registry are unknown.
    passed = all(gate.passed for gate in report.extra_gates)
    promoted = tracked.alias == CHAMPION if tracked else passed
    report = replace(report, publication=Publication(bundle, tracked, problem, promoted))
    _write_summary(path, report, can_print=pdf is not None)
    return report


def _write_summary(bundle: Path, report: RunReport, *, can_print: bool) -> None:
    """Write the summary beside the bundle, which it names, as HTML and as PDF."""
    # Those of a run that was killed in this step, which this one may resume.
    delete_stale_partial_files(bundle.parent)
    page = render_summary(report)
    write_atomically(bundle.with_suffix(".html"), page.encode())
    pdf = print_pdf(page) if can_print else None
    if pdf:
        write_atomically(bundle.with_suffix(".pdf"), pdf)
    else:
        # One of an earlier attempt would contradict the page.
        bundle.with_suffix(".pdf").unlink(missing_ok=True)


def _save_model(
    report: RunReport, dataset: Dataset, winner: Any, directory: Path, config: ReleaseConfig
) -> SavedModel:
    """Write the winner with its held-out reference and the calibration of prediction sets."""
    train, test = dataset.train, dataset.test
    model = save_model(
        winner,
        test.images[:_CHECKED_IMAGES],
        directory,
        HeldOutReference.fit(train.images, test.images, test.labels, report.test_probabilities),
        conformal=report.conformal,
        allow_cloudpickle=config.allow_cloudpickle,
    )
    if model.fallback_reason:
        logger.warning("The model is saved with cloudpickle: %s.", model.fallback_reason)
    return model


def _track(
    report: RunReport,
    test: Split,
    winner: Any,
    model: SavedModel,
    *,
    address: StoreAddress,
    before_alias: Callable[[], None],
) -> tuple[TrackedRun | None, str | None]:
    """Log the run; return the error message if that fails."""
    try:
        with quiet_mlflow():
            place = model.directory.with_name("mlflow")
            packed = write_mlflow_model(model, winner, test.images, place)
    except ModelError as error:
        logger.warning("The run is not in MLflow. %s", error)
        return None, str(error)
    try:
        store = prepare_store(address)
        allow = report.settings["gates"]["allow_pickle"]
        compare = _champion_evaluator(test, store, address.config.model_name, allow=allow)
        return log_training_run(store, report, packed, compare, before_alias), None
    except DatastoreError:
        raise
    except Exception as error:  # noqa: BLE001 - no error of MLflow may lose the run
        spool = resolve_path(address.config.spool, address.root)
        problem = _spool_run(spool, report, packed, error)
        logger.warning("The run is not in MLflow. %s", problem)
        return None, problem


def _spool_run(directory: Path, report: RunReport, model: SavedModel, error: Exception) -> str:
    """Spool the run; return the command that delivers it, and the error."""
    try:
        place = spool_run(directory, report, model, str(error))
    except OSError as spool_error:
        if machine_failure(spool_error):
            # The run is complete but for this step, which can be repeated.
            raise
        return f"{error} It could not be spooled either: {spool_error}."
    # The command comes first: the summary truncates the message to one line.
    return f"`python -m fmnist_lib registry sync` delivers it from {place} later. {error}"


def _champion_evaluator(test: Split, store: TrackingStore, name: str, *, allow: bool) -> Compare:
    """Return a function that evaluates a champion on this run's test images.

    A pickled champion is loaded only where the gates let a pickled model become champion.
    """

    def compare(version: str) -> np.ndarray:
        champion = load_version(store.uri, name, number=version, allow_cloudpickle=allow)
        return np.asarray(champion.pipeline.predict(test.images)) == test.labels

    return compare
