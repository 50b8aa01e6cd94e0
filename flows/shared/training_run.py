"""Settings, cache, data and report, shared by the steps of the training flow."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow import current

from project import PROJECT_ROOT
from shared.configuration import store_address
from shared.deployment import has_shared_datastore

if TYPE_CHECKING:
    from fmnist_lib.common.run_report import RunReport
    from fmnist_lib.config.training import Settings


class TrainingRun:
    """Helpers of `FashionMnistTrain`, which is the flow."""

    @property
    def settings(self) -> Settings:
        """The run's configuration as the model that `fmnist_lib` takes.

        Stored as plain values: a pickled model differs between processes.
        """
        from fmnist_lib.config.loading import validate_settings

        return validate_settings(self.resolved_config, "configuration")

    def read_data(self) -> None:
        """Read the images to train on, and those to test for drift."""
        from fmnist_lib.workflows.training_data import read_training_data
        from shared.retraining import add_new_images

        settings, self.n_new_held_out = self.settings, 0
        if self.challenge:
            directory = self.cache / "retraining" / current.run_id
            settings, self.n_new_held_out = add_new_images(self.challenge, settings, directory)
            self.resolved_config = settings.model_dump(mode="json")
        address = store_address(settings.tracking)
        self.keep(read_training_data(settings, address, self.batch, self.label_column))

    def keep(self, artifacts: Any) -> None:
        """Store every field of a dataclass as an artifact."""
        for name, value in vars(artifacts).items():
            setattr(self, name, value)

    @property
    def cache(self) -> Path:
        """The directory of feature columns, studies and retraining data."""
        from fmnist_lib.common.paths import resolve_path

        return resolve_path(self.settings.search.cache, PROJECT_ROOT)

    def share_features(self) -> None:
        """Store the features that candidates share, if other machines read the datastore."""
        from fmnist_lib.workflows.search import shared_features

        shared = has_shared_datastore(sys.argv)
        self.features = shared_features(self.dataset, self.settings, self.cache) if shared else None

    def restore_features(self) -> Path:
        """Return the cache with the features that candidates share, on any machine."""
        from fmnist_lib.search.recipes.column_cache import restore_columns

        if getattr(self, "features", None):  # a run of an earlier version has none
            restore_columns(self.features, self.cache)
        return self.cache

    def share_bundle(self) -> None:
        """Store the bundle, if other machines read the datastore and not this one's disk."""
        shared = has_shared_datastore(sys.argv)
        self.bundle = Path(self.bundle_path).read_bytes() if shared else None

    def published(self, cards: dict[str, str]) -> RunReport:
        """Publish the run, with the HTML pages of its cards, and return its report."""
        from fmnist_lib.workflows.publish import publish

        return publish(
            self.report(),
            self.dataset,
            self.winner,
            PROJECT_ROOT,
            os.environ.get("MLFLOW_TRACKING_URI"),
            cards=cards,
            before_alias=self.check_datastore,
        )

    def check_datastore(self) -> None:
        """Write to Metaflow's datastore, as it will at the end of the step.

        A task whose run was killed ends here.

        Raises
        ------
        DatastoreError
            It cannot be written.
        """
        from fmnist_lib.common.errors import DatastoreError
        from processes.run_processes import end_if_orphaned

        end_if_orphaned()
        try:
            self._datastore.save_metadata({"writable": True})
        except Exception as error:  # whatever this kind of storage raises
            raise DatastoreError(
                f"Metaflow's datastore: expected to store the results of the step, got: {error}. "
                "The run is not registered. Fix the cause, then resume."
            ) from error

    def report(self) -> RunReport:
        """Return the report of the run, which is not published yet."""
        from fmnist_lib.workflows.accuracy_checks import check_accuracy
        from fmnist_lib.workflows.report import build_report
        from shared.identity import run_identity

        checks = check_accuracy(
            self.dataset.test.labels,
            self.test_probabilities,
            self.data_audit,
            self.out_of_fold,
            self.settings,
        )
        return build_report(
            self.dataset,
            self.winner,
            audit=self.data_audit,
            contest=self.contest,
            identity=run_identity(PROJECT_ROOT, self.searched_run),
            settings=self.resolved_config,
            data_version=self.data_version,
            candidates=self.results,
            leaderboard=self.leaderboard,
            contributions=self.contributions,
            accuracy_checks=checks,
            conformal=self.conformal,
            prediction_sets=self.prediction_sets,
            evaluation=self.evaluation,
            test_probabilities=self.test_probabilities,
            pictures=self.pictures + self.explanation.pictures + self.drift_report.pictures,
            drift_verdict=self.drift_report.finding,
            detection=self.drift_report.detection,
        )
