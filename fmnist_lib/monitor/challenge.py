"""The champion, and the monitor's request to retrain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Champion:
    """A training run whose model is the champion.

    Attributes
    ----------
    run : str
        Pathspec of the training run, as ``metaflow.Run`` takes it.
    model_uri : str or None
        URI of the model in MLflow.
    found : str
        How the run was found, for the card.
    """

    run: str
    model_uri: str | None
    found: str


@dataclass(frozen=True)
class Challenge:
    """A monitor's request to retrain.

    Attributes
    ----------
    monitor_run : str
        Pathspec of the monitor run.
    champion : Champion
        The training run whose model the challenger is compared with.
    needed : bool
    reason : str
        Of the monitor's verdict, or why no retraining is needed.
    holdout_share, alpha : float
        As the monitor was configured.
    """

    monitor_run: str
    champion: Champion
    needed: bool
    reason: str
    holdout_share: float
    alpha: float
