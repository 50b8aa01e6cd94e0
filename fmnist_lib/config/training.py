"""The configuration of a training run: strict, frozen models of ``config/train.toml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.base import Section, Share
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.config.release import GatesConfig, ReleaseConfig, TrackingConfig
from fmnist_lib.config.remote import RemoteConfig
from fmnist_lib.config.search import SearchConfig
from fmnist_lib.config.stress import StressConfig

DEFAULT_CONFIG = PROJECT_ROOT / "config" / "train.toml"


class AuditConfig(Section):
    """Settings of the data audit."""

    near_duplicate_distance: Annotated[float, Field(ge=0, le=255)] = Field(
        default=8.0,
        description="Two images are near-duplicates if the root-mean-square difference of their "
        "pixels, on the 0-255 scale, is at most this.",
    )
    examples: Annotated[int, Field(ge=0, le=100)] = Field(
        default=8, description="Pairs shown on the card."
    )


class DataConfig(Section):
    """Source and split of the images."""

    directory: str | None = Field(
        default=None,
        description="Directory with the four files; absent: the default sources in order. In every "
        "path here `~` is the home directory; environment variables are not expanded.",
    )
    corrections: str | None = Field(
        default=None,
        description="CSV table of corrected training labels, as `python -m cards labels` writes it "
        "to be filled in; the test labels stay.",
    )
    rows: Annotated[int, Field(ge=500)] | None = Field(
        default=None,
        description="Training images to use, stratified; absent: all. The test set stays whole.",
    )
    validation_share: Share = Field(
        default=1 / 6, description="Share of the training images held out to compare candidates."
    )
    synthetic_fallback: bool = Field(
        default=True,
        description="Use generated images, with a warning, if no default source is available.",
    )
    audit: AuditConfig = AuditConfig()


class EdaConfig(Section):
    """Sample sizes of the exploration."""

    sweetviz_rows: Annotated[int, Field(ge=100)] = 4000
    sweetviz_features: Annotated[int, Field(ge=2, le=23)] = Field(
        default=12,
        description="Most discriminative features for the Sweetviz report; about 0.5 s each.",
    )
    embedding_rows: Annotated[int, Field(ge=100)] = 3000
    images_per_class: Annotated[int, Field(ge=1, le=20)] = 8


class EvaluationConfig(Section):
    """Intervals and examples of the final report."""

    confidence: Share = 0.95
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    confused_pairs: Annotated[int, Field(ge=1, le=90)] = 5


class CrossFitConfig(Section):
    """Out-of-fold predictions of the training images, for the label audit and more."""

    enabled: bool = Field(default=True, description="false: neither label audit nor sets.")
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    rows: Annotated[int, Field(ge=500)] | None = Field(
        default=None, description="Training images to use, stratified; absent: all."
    )


class LabelAuditConfig(Section):
    """Settings of the audit of the training labels."""

    neighbours: Annotated[int, Field(ge=1, le=50)] = Field(
        default=10, description="Nearest training images whose labels are compared."
    )
    ambiguous_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.01,
        description="Two classes are ambiguous if at least this share of the images of both is "
        "predicted as the other one.",
    )
    examples: Annotated[int, Field(ge=0, le=60)] = Field(
        default=20, description="Suspect labels shown with their pictures."
    )


class ExplainConfig(Section):
    """Number of images that SHAP explains, and its cost."""

    images_per_class: Annotated[int, Field(ge=1)] = 3
    background_rows: Annotated[int, Field(ge=10)] = Field(
        default=1000,
        description="Training images whose mean replaces hidden pixels: with more, the maps depend "
        "less on which.",
    )
    evaluations: Annotated[int, Field(ge=100)] = Field(
        default=800,
        description="Model evaluations per image for sampling explainers; exact ones ignore it.",
    )


class Settings(Section):
    """Settings of a training run."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataConfig = DataConfig()
    eda: EdaConfig = EdaConfig()
    search: SearchConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    explain: ExplainConfig = ExplainConfig()
    cross_fit: CrossFitConfig = CrossFitConfig()
    label_audit: LabelAuditConfig = LabelAuditConfig()
    drift: DriftConfig = DriftConfig()
    stress: StressConfig = StressConfig()
    tracking: TrackingConfig = TrackingConfig()
    gates: GatesConfig = GatesConfig()
    release: ReleaseConfig = ReleaseConfig()
    remote: RemoteConfig = RemoteConfig()
