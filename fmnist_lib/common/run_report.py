"""Everything a training run found and published, as plain values, arrays and frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from fmnist_lib.common.accuracy_check import AccuracyCheck
    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.common.conformal import ConformalCalibration
    from fmnist_lib.common.contributions import Contributions
    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.evaluation_result import Evaluation
    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.common.prediction_sets import PredictionSets
    from fmnist_lib.common.promotion_decision import GateResult, PromotionDecision


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
    computed_in : str or None
        ``flow/run`` that computed what this run logs: this one, or one that it resumes. None: this
        one.
    """

    flow: str
    run_id: str
    pathspec: str
    user: str
    git_commit: str | None = None
    computed_in: str | None = None

    @property
    def key(self) -> str:
        """Unique name of the run."""
        return f"{self.flow}/{self.run_id}"

    @property
    def delivery_key(self) -> str:
        """Unique name of what is logged, the same for every run that resumes this one."""
        return self.computed_in or self.key

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
class BundleInfo:
    """A bundle on disk.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the whole zip file, hexadecimal.
    files : tuple of str
        Names within it, the manifest and its SHA-256 last.
    size_bytes : int
    """

    path: Path
    sha256: str
    files: tuple[str, ...]
    size_bytes: int


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
        Result of the gates; None in the results of earlier versions of the project, if the step
        was repeated.
    """

    run_id: str
    model_uri: str
    model_name: str
    model_version: str
    alias: str
    tracking_uri: str
    decision: PromotionDecision | None = None


@dataclass(frozen=True)
class Publication:
    """Locations of a published run.

    Attributes
    ----------
    bundle : BundleInfo or None
        None until the bundle is written, so also on the pages within it.
    tracked : TrackedRun or None
        None when MLflow could not be used.
    problem : str or None
        Why the run is not in MLflow.
    promoted : bool
        Whether the model is the champion now; without MLflow, whether it could be.
    """

    bundle: BundleInfo | None = None
    tracked: TrackedRun | None = None
    problem: str | None = "written before the run was tracked"
    promoted: bool = False


@dataclass(frozen=True, eq=False)
class RunReport:
    """Results of a training run, read by bundle, registry, summary, cards and documents.

    Attributes
    ----------
    identity : RunIdentity
    created : int
        Milliseconds since 1970: the timestamp of every metric, which makes logging idempotent.
    settings : dict
        The resolved configuration as plain values.
    data_version : DataVersion
    labels : mapping of str to ndarray of uint8
        Of the images of every split.
    contributions : Contributions or None
        Of feature blocks and ensemble members.
    accuracy_checks : sequence of AccuracyCheck
        The test accuracy without doubtful images, and on other test sets.
    duplicates : sequence
        Counts of duplicates and near-duplicates; see `fmnist_lib.data.audit_result.DuplicateCount`.
    candidates : sequence of CandidateResult
    leaderboard : DataFrame
        Best first; see `fmnist_lib.evaluation.leaderboard.leaderboard`.
    evaluation : Evaluation
        Of the winner on the test images.
    test_probabilities : ndarray of shape (n_test, 10)
        The winner's.
    ms_per_image : float
        Prediction time of the winner, on one processor core in a batch of 1,000.
    pictures : tuple of Picture
    drift_verdict : str
    detection : sequence
        Alarm rates without a shift and of simulated shifts; see
        `fmnist_lib.drift.detection.DetectionRate`.
    conformal : ConformalCalibration or None
        Stored with the model.
    prediction_sets : PredictionSets or None
        Of the winner on the test images.
    extra_gates : sequence of GateResult
        Gates of this run beside those of `fmnist_lib.registry.gates`.
    files : mapping of str to bytes
        Further files of the MLflow run, by path.
    environment : mapping
        Python, machine and packages.
    system : mapping of str to float
        Load of the machine, and what the run used of it.
    publication : Publication
    """

    identity: RunIdentity
    created: int
    settings: dict[str, Any]
    data_version: DataVersion
    labels: Mapping[str, NDArray[np.uint8]]
    candidates: Sequence[CandidateResult]
    leaderboard: pd.DataFrame
    evaluation: Evaluation
    test_probabilities: np.ndarray
    ms_per_image: float
    pictures: tuple[Picture, ...]
    drift_verdict: str
    contributions: Contributions | None = None
    accuracy_checks: Sequence[AccuracyCheck] = ()
    duplicates: Sequence[Any] = ()
    detection: Sequence[Any] = ()
    conformal: ConformalCalibration | None = None
    prediction_sets: PredictionSets | None = None
    extra_gates: Sequence[GateResult] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, float] = field(default_factory=dict)
    publication: Publication = Publication()
