"""The configuration of the monitor: strict, frozen models of ``config/monitor.toml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.config.base import Section, Share
from fmnist_lib.config.drift import MAX_BATCH_ROWS, DriftConfig
from fmnist_lib.config.release import TrackingConfig
from fmnist_lib.config.remote import RemoteConfig

DEFAULT_MONITOR_CONFIG = PROJECT_ROOT / "config" / "monitor.toml"


class RetrainConfig(Section):
    """Settings of a retraining run, and of the test between challenger and champion."""

    config: Annotated[str, Field(min_length=1)] = Field(
        default="config/train.toml",
        description="Configuration of the training flow; relative to the project.",
    )
    minutes: Annotated[float, Field(gt=0, le=24 * 60)] | None = Field(
        default=None, description="Budget of the search, wall minutes; absent: from `config`."
    )
    holdout_share: Share = Field(
        default=0.5,
        description="Share of the new labelled images held out from fitting: with the old test "
        "images they decide between champion and challenger.",
    )
    alpha: Share = Field(
        default=0.05,
        description="The challenger is promoted if it is better with a McNemar p-value of at most "
        "this.",
    )


class MonitorSettings(Section):
    """Settings of the monitor."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    batch: str | None = Field(
        default=None, description="Path of the new batch; absent: given by --batch."
    )
    labels: str | None = Field(default=None, description="Path of its labels, if known.")
    label_column: Literal["first", "last", "none"] | None = Field(
        default=None,
        description="Position of the labels in a batch without column names; absent: inferred "
        "from the values.",
    )
    rows: Annotated[int, Field(ge=50)] = Field(
        default=MAX_BATCH_ROWS, description="Size of the random sample taken from a larger batch."
    )
    history: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=60, description="Monitor runs on the card's chart, including this one."
    )
    signal: Annotated[str, Field(min_length=1)] = Field(
        default="signals/monitor.json",
        description="File with the last verdict; relative to the project.",
    )
    drift: DriftConfig = DriftConfig()
    retrain: RetrainConfig = RetrainConfig()
    tracking: TrackingConfig = TrackingConfig()
    remote: RemoteConfig = RemoteConfig()
