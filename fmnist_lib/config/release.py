"""Settings of what a run publishes: gates, tracking, bundle."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from fmnist_lib.common.credentials import has_credentials
from fmnist_lib.config.base import Section, Share

Fraction = Annotated[float, Field(ge=0, le=1)]


class GatesConfig(Section):
    """Requirements on the test images for a model to become champion."""

    min_accuracy: Fraction = 0.85
    min_accuracy_low: Fraction = Field(
        default=0.84, description="Minimum of the lower confidence bound of the accuracy."
    )
    min_class_recall: Fraction = Field(
        default=0.5, description="Minimum recall of the worst class."
    )
    max_calibration_error: Fraction = 0.1
    max_ms_per_image: Annotated[float, Field(gt=0)] = Field(
        default=6.0, description="Measured on one core, in a batch of 1,000."
    )
    max_model_mb: Annotated[float, Field(gt=0)] = Field(
        default=150.0, description="Size of the model file, in 10**6 bytes."
    )
    alpha: Share = Field(
        default=0.05,
        description="A model with fewer correct predictions than the champion on the same images "
        "is rejected if McNemar's p-value is below this.",
    )
    allow_pickle: bool = Field(
        default=False,
        description="Allow a champion whose file can run arbitrary code when it is loaded.",
    )
    clean_git: bool = Field(
        default=False, description="Require a commit without uncommitted changes."
    )


class TrackingConfig(Section):
    """MLflow tracking and registry."""

    uri: str | None = Field(
        default=None,
        description="Tracking server; absent: MLFLOW_TRACKING_URI, else a SQLite file in mlruns/.",
    )
    experiment: Annotated[str, Field(min_length=1, max_length=500)] = "fashion-mnist"
    model_name: Annotated[str, Field(min_length=1, max_length=256)] = "fashion-mnist"
    spool: Annotated[str, Field(min_length=1)] = Field(
        default="mlruns/spool",
        description="Directory for runs spooled while the server is down; relative to the project.",
    )
    max_seconds: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="Timeout for logging a run; then it is spooled for "
        "`python -m fmnist_lib registry sync`.",
    )

    @field_validator("experiment", "model_name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("expected a name, got only blanks")
        return name

    @field_validator("model_name")
    @classmethod
    def _check_model_name(cls, name: str) -> str:
        # MLflow rejects the first three; the others terminate the name in `models:/` URIs and in
        # queries.
        if name in {".", ".."} or set(name) & set("/:@'\""):
            raise ValueError(
                f"expected a name that MLflow can register, without / : @ and quotes, got '{name}'"
            )
        return name

    @model_validator(mode="after")
    def _check_uri(self) -> TrackingConfig:
        # The settings are logged and packed into bundles, so they must not hold a secret.
        if self.uri is not None and has_credentials(self.uri):
            raise ValueError(
                "uri must not hold a user name, password or query, set such an address in "
                "MLFLOW_TRACKING_URI instead"
            )
        return self


class ReleaseConfig(Section):
    """The model file and the bundle that reproduces a run."""

    directory: Annotated[str, Field(min_length=1)] = "bundles"
    max_data_mb: Annotated[float, Field(ge=0)] = Field(
        default=200.0,
        description="Larger data are not included in the bundle, only their fingerprint and DVC "
        "pointers.",
    )
    allow_cloudpickle: bool = Field(
        default=False,
        description="Save a model that skops cannot write with cloudpickle, which can run "
        "arbitrary code when it is loaded. Off: such a run fails in publish.",
    )
