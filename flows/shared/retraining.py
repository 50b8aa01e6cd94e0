"""The data and the contest of a run that the monitor requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow import Run

from fmnist_lib.common.errors import ConfigError
from fmnist_lib.config.loading import override
from fmnist_lib.workflows.retrain import combine, contest, rows_to_use, write_directory
from shared.runs import champion_artifact

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Split
    from fmnist_lib.monitor.challenge import Challenge
    from fmnist_lib.workflows.retrain import Contest


def add_new_images(
    challenge: Challenge, settings: Settings, directory: Path
) -> tuple[Settings, int]:
    """Write the champion's images and the monitor's as a directory to train on.

    Returns
    -------
    tuple of Settings and int
        The settings that name the directory, and the number of new images that are held out.

    Raises
    ------
    ConfigError
        The settings name corrected labels, which number the images of another file.
    """
    if settings.data.corrections:
        raise ConfigError(
            "data.corrections: expected none in a run that the monitor requests, which trains on "
            f"the champion's images and labels, got {settings.data.corrections}. Train with it "
            "once in an ordinary run; if that becomes champion, its labels are kept."
        )
    new = Run(challenge.monitor_run)["assess"].task["labelled_batch"].data
    old = champion_artifact(challenge.champion, "dataset")
    data = combine(old, new, challenge.holdout_share, settings.seed)
    write_directory(data, directory)
    rows = rows_to_use(settings.data.rows, data)
    return override(settings, data_dir=str(directory), rows=rows), data.n_new_held_out


def compare_with_champion(
    challenge: Challenge | None, test: Split, probabilities: np.ndarray, n_new: int
) -> Contest | None:
    """Compare the new model's test predictions with the champion's; None in an ordinary run."""
    if challenge is None:
        return None
    old = champion_artifact(challenge.champion, "champion").predict(test.images)
    return contest(test.labels, old, probabilities.argmax(axis=1), n_new, challenge.alpha)
