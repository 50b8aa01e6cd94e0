"""Earlier runs through the Client API: the champion's, signals of the monitor, tags."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from metaflow import Flow, Run, namespace
from metaflow.exception import MetaflowException

from fmnist_lib.common.errors import DataError, TrackingError
from fmnist_lib.monitor.challenge import Champion
from fmnist_lib.monitor.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fmnist_lib.registry.store import StoreAddress

logger = logging.getLogger(__name__)
Found = TypeVar("Found")

TRAINING, MONITOR = "FashionMnistTrain", "FashionMnistMonitor"
#: Tags, and prefixes of tags, that the flows set themselves; any other is a user's.
OWN_TAGS = ("challenger", "promoted")
OWN_PREFIXES = ("data:", "monitor:", "mlflow:", "verdict:", "champion:", "training:")


def find_champion(wanted: str | None, address: StoreAddress) -> Champion:
    """Find the training run whose champion is in use.

    In order: the run asked for, the one behind the alias ``champion`` in MLflow, the latest that
    was promoted, the latest that succeeded and was no challenger. Never one on synthetic images
    unless it is named.

    Raises
    ------
    DataError
        There is none.
    """
    namespace(None)
    if wanted is not None:
        run_id = wanted.removeprefix(f"{TRAINING}/")
        if _facts(run_id) is None:
            raise DataError(
                f"--run: expected a training run that succeeded, got '{wanted}'. Name another, or "
                "leave it out for the champion."
            )
        return Champion(f"{TRAINING}/{run_id}", None, "named by --run")
    champion = _behind_alias(address) or _latest()
    if champion is None:
        raise DataError(
            "no champion yet: expected a training run on Fashion-MNIST that succeeded, found "
            "none. Start one: python flows/train.py run"
        )
    return champion


def champion_artifact(champion: Champion, artifact: str) -> Any:
    """Return an artifact that belongs to a champion: ``champion``, ``reference``, ``dataset``."""
    namespace(None)
    return Run(champion.run)["select"].task[artifact].data


def earlier_signals(limit: int) -> tuple[list[Signal], int]:
    """Return the signals of earlier runs of the monitor, the oldest first.

    A run whose signal can't be read is left out with a warning, and counted: the history is
    optional.

    Parameters
    ----------
    limit : int
        Most signals to return, of the most recent runs.

    Returns
    -------
    tuple of list of Signal and int
        The signals, and the number of runs that could not be read.
    """
    namespace(None)
    signals: list[Signal] = []
    unreadable = 0
    for found in _read_runs(MONITOR, _last_signal) if limit else ():
        if isinstance(found, Exception):
            unreadable += 1
        elif found is not None:
            signals.append(found)
        if len(signals) == limit:
            break
    return signals[::-1], unreadable


def training_tags(flow: Any) -> list[str]:
    """Return the tags of a training run, from the artifacts that exist.

    Tags are for people who list runs. The code never reads them: a resumed run has none until its
    last step, and any user can change them.
    """
    version, challenge = getattr(flow, "data_version", None), getattr(flow, "challenge", None)
    mlflow_run = getattr(flow, "mlflow_run_id", None)
    tags = [f"data:{version.origin}"] if version else []
    tags += [f"monitor:{challenge.monitor_run}"] if challenge else []
    tags += ["challenger"] if challenge and challenge.needed else []
    tags += [f"mlflow:{mlflow_run}"] if mlflow_run else []
    return tags + (["promoted"] if getattr(flow, "promoted", False) else [])


def monitor_tags(flow: Any) -> list[str]:
    """Return the tags of a run of the monitor; see `training_tags`."""
    retraining = flow.signal.retraining
    tags = [f"verdict:{flow.signal.verdict}", f"champion:{flow.champion_run.run}"]
    return tags + ([f"training:{retraining.run}"] if retraining and retraining.run else [])


def _last_signal(run: Run) -> Signal | None:
    """Return the signal of the last step with a readable one; only that includes a retraining.

    None for a run without a signal; otherwise the error of the first step is raised.
    """
    problem = None
    for step in ("end", "assess"):
        try:
            signal = _signal(run, step)
        except Exception as error:  # noqa: BLE001 (an earlier step may be readable)
            problem = problem or error
            continue
        if signal is not None:
            return signal
    if problem:
        raise problem
    return None


def _signal(run: Run, step: str) -> Signal | None:
    """Return the signal of a step; None when the run did not reach it."""
    try:
        task = run[step].task
        artifact = task["signal"] if task else None
    except KeyError:
        return None
    if artifact is None:
        return None
    signal = artifact.data
    missing = [one.name for one in fields(Signal) if not hasattr(signal, one.name)]
    if missing:
        raise DataError(
            f"{artifact.pathspec}: expected a signal, got one without {missing[0]}; another "
            "version of this project wrote it."
        )
    return signal


def _behind_alias(address: StoreAddress) -> Champion | None:
    from fmnist_lib.registry.champion import find_champion_version

    try:
        version = find_champion_version(address)
    except TrackingError as error:
        logger.warning("Looking for the champion among the Metaflow runs instead: %s", error)
        return None
    if version is None or version.flow != TRAINING or version.run_id is None:
        return None
    facts = _facts(version.run_id)
    if facts is None or facts.origin == "synthetic":
        logger.warning(
            "%s has the alias champion, but its run %s/%s is not usable here (absent, unfinished "
            "or on synthetic images). Looking for the champion among the Metaflow runs instead.",
            version.uri,
            TRAINING,
            version.run_id,
        )
        return None
    return Champion(facts.run, version.uri, f"alias champion, {version.uri}")


def _latest() -> Champion | None:
    """Return the latest run that was promoted; if none was, the latest that succeeded."""
    latest = None
    for facts in _read_runs(TRAINING, lambda run: _facts(run.id)):
        if not isinstance(facts, _Facts) or facts.origin == "synthetic":
            continue
        if facts.promoted:
            return Champion(facts.run, None, "latest training run that was promoted")
        if latest is None and not facts.is_challenger:
            latest = Champion(facts.run, None, "latest training run that succeeded")
    return latest


@dataclass(frozen=True)
class _Facts:
    """Facts about a training run, from its artifacts."""

    run: str
    origin: str
    promoted: bool
    is_challenger: bool


def _facts(run_id: str) -> _Facts | None:
    """Return the facts of a run that succeeded and has its model and the reference, else None."""
    try:
        run = Run(f"{TRAINING}/{run_id}")
        if not run.successful:
            return None
        artifacts = {artifact.id for artifact in run["select"].task}
        data = run["end"].task.data
        facts = _Facts(
            run=run.pathspec,
            origin=data.data_version.origin,
            promoted=data.promoted,
            is_challenger=data.challenge is not None,
        )
    except Exception as error:  # noqa: BLE001 (old or damaged artifacts may raise anything)
        logger.info("%s/%s is no champion: %s", TRAINING, run_id, error)
        return None
    return facts if {"champion", "reference"} <= artifacts else None


def _read_runs(flow: str, read: Callable[[Run], Found]) -> Iterator[Found | Exception]:
    """Yield what `read` returns for every run of a flow, the newest first.

    An error is logged as a warning and yielded in place of a run that can't be read. Metaflow
    lists no run after one whose metadata are damaged.
    """
    try:
        runs = iter(Flow(flow))
    except MetaflowException:  # it never ran here
        return
    while True:
        try:
            run = next(runs, None)
            if run is None:
                return
            found: Found | Exception = read(run)
        except Exception as error:  # noqa: BLE001 (whatever damaged or foreign data raise)
            logger.warning("A run of %s can't be read: %r", flow, error)
            found = error
        yield found
