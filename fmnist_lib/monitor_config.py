"""The configuration of the monitor: strict, frozen models of ``config/monitor.toml``.

``python -m fmnist_lib.monitor_config`` prints the JSON schema, or the resolved settings of a file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fmnist_lib.config import PROJECT_ROOT, DriftConfig, Section, Share, TrackingConfig, main

DEFAULT_MONITOR_CONFIG = PROJECT_ROOT / "config" / "monitor.toml"


class RetrainConfig(Section):
    """How a retraining run is started, and what makes its model the new champion."""

    config: Annotated[str, Field(min_length=1)] = Field(
        default="config/train.toml",
        description="Configuration of the training flow; relative to the project.",
    )
    minutes: Annotated[float, Field(gt=0, le=24 * 60)] | None = Field(
        default=None, description="Wall time of the search; absent: as that configuration says."
    )
    holdout_share: Share = Field(
        default=0.5,
        description="Share of the new labelled images that no model is fitted on: with the old "
        "test images they decide between champion and challenger.",
    )
    alpha: Share = Field(
        default=0.05,
        description="The challenger must be better with a p-value of at most this (McNemar).",
    )


class MonitorSettings(Section):
    """Everything the monitor can be told."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    batch: str | None = Field(
        default=None, description="Where every new batch lies; absent: --batch names it."
    )
    labels: str | None = Field(default=None, description="Where its labels lie, if they are known.")
    label_column: Literal["first", "last", "none"] | None = Field(
        default=None,
        description="Where a batch without column names has its labels; absent: where the values "
        "show it.",
    )
    rows: Annotated[int, Field(ge=50)] = Field(
        default=100_000, description="Of a larger batch a random sample of so many is assessed."
    )
    history: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=60, description="Runs of the monitor on the card's chart, with this one."
    )
    signal: Annotated[str, Field(min_length=1)] = Field(
        default="signals/monitor.json",
        description="File with the last verdict; relative to the project.",
    )
    drift: DriftConfig = DriftConfig()
    retrain: RetrainConfig = RetrainConfig()
    tracking: TrackingConfig = TrackingConfig()


if __name__ == "__main__":
    raise SystemExit(main(None, MonitorSettings, DEFAULT_MONITOR_CONFIG))
