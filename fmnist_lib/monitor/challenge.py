"""The model in use, and the monitor's call for a better one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Champion:
    """A training run whose model is in use.

    Attributes
    ----------
    run : str
        Pathspec of the training run, as ``metaflow.Run`` takes it.
    model_uri : str or None
        Where MLflow keeps the model.
    found : str
        How the run was found, in words.
    """

    run: str
    model_uri: str | None
    found: str


@dataclass(frozen=True)
class Challenge:
    """A monitor's call for a new model.

    Attributes
    ----------
    monitor_run : str
        Pathspec of the run of the monitor.
    champion : Champion
        The training run whose model is to be beaten.
    needed : bool
    reason : str
        Of the monitor's verdict, or why there is nothing to do.
    holdout_share, alpha : float
        As the monitor was configured.
    """

    monitor_run: str
    champion: Champion
    needed: bool
    reason: str
    holdout_share: float
    alpha: float
