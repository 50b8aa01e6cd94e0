"""Retraining: the request of the monitor, its data, the contest, the training run it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow import Run, namespace
from metaflow.exception import MetaflowException

from fmnist_lib.common.errors import ConfigError, DataError
from fmnist_lib.common.paths import resolve_path
from fmnist_lib.config.loading import override
from fmnist_lib.monitor.challenge import Challenge
from fmnist_lib.monitor.signal import Retraining
from fmnist_lib.workflows.retrain import combine, contest, rows_to_use, write_directory
from shared.runs import MONITOR, champion_artifact

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from fmnist_lib.config.monitor import RetrainConfig
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import Split
    from fmnist_lib.monitor.challenge import Champion
    from fmnist_lib.workflows.retrain import Contest


def find_challenge(monitor_run: str | None, trigger: Any) -> Challenge | None:
    """Return the monitor's request for retraining that a training run serves, if any.

    Parameters
    ----------
    monitor_run : str or None
        Named on the command line.
    trigger : metaflow.events.Trigger or None
        The event that started a deployed run.

    Raises
    ------
    DataError
        There is no such run of the monitor, or it has no verdict.
    """
    namespace(None)
    triggered_by = trigger.run if trigger else None
    if monitor_run is None and triggered_by is None:
        return None
    pathspec = f"{MONITOR}/{monitor_run.split('/')[-1] if monitor_run else triggered_by.id}"
    try:
        data = Run(pathspec)["assess"].task.data
        signal, champion, settings = data.signal, data.champion_run, data.resolved_config
    except (KeyError, AttributeError, MetaflowException):
        raise DataError(
            f"{pathspec}: expected a run of the monitor with a verdict, found none. "
            "Start one: python flows/monitor.py run --batch FILE"
        ) from None
    obstacle = _obstacle(data, champion)
    if triggered_by is not None and "retrain" in {step.id for step in triggered_by}:
        obstacle = "the monitor has started a training run itself"
    return Challenge(
        monitor_run=pathspec,
        champion=champion,
        needed=not obstacle,
        reason=obstacle or signal.reason,
        holdout_share=settings["retrain"]["holdout_share"],
        alpha=settings["retrain"]["alpha"],
    )


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


def retrain(
    challenge: Challenge, root: Path, config: RetrainConfig
) -> tuple[Retraining, Contest | None]:
    """Start the training flow on old and new images, and return its outcome.

    A no-op for a challenge that is not needed.
    """
    from metaflow import Runner

    if not challenge.needed:
        return Retraining(None, promoted=False, reason=challenge.reason), None
    options = {} if config.minutes is None else {"minutes": config.minutes}
    flow = str(root / "flows" / "train.py")
    with Runner(
        flow, pylint=False, config=[("config", str(resolve_path(config.config, root)))]
    ) as runner:
        result = runner.run(monitor=challenge.monitor_run, **options)
    run = result.run
    if result.status != "successful":
        step = next(iter(run)).id
        reason = f"the training run failed, see python flows/train.py logs {run.id}/{step}"
        return Retraining(run.pathspec, promoted=False, reason=reason), None
    data = run["publish"].task.data
    reason = data.contest.reason
    if data.contest.better and not data.promoted:
        reason += f"; but refused: {data.promotion.reason}"
    return Retraining(run.pathspec, data.promoted, reason), data.contest


def _obstacle(data: Any, champion: Champion) -> str:
    """Return why a verdict is no reason to train; empty when it is."""
    if not data.signal.retrain:
        return f"the monitor's verdict is {data.signal.verdict}"
    if data.labelled_batch is None:
        return (
            "the monitor's verdict is retrain, but its batch has no labels: run the monitor again "
            "with --labels FILE"
        )
    if champion_artifact(champion, "data_version").origin == "synthetic":
        return "the champion was trained on synthetic images"
    return ""
