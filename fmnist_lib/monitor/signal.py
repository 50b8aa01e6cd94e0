"""Machine-readable verdict of the monitor, a JSON file written atomically."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.common.statistics import Estimate

#: Incremented when a field changes its meaning or is removed.
VERSION = 1


@dataclass(frozen=True)
class Retraining:
    """Outcome of a retraining.

    Attributes
    ----------
    run : str or None
        Pathspec of the training run; None when none was started.
    promoted : bool
        Whether its model became the champion.
    reason : str
    """

    run: str | None
    promoted: bool
    reason: str


@dataclass(frozen=True)
class Signal:
    """A verdict on one batch.

    Attributes
    ----------
    verdict : {"insufficient_data", "ok", "watch", "retrain"}
    reason : str
    created : str
        ISO 8601, UTC.
    batch, batch_sha256 : str
        Path of the batch, and SHA-256 of the assessed images.
    images, images_in_batch : int
        Images assessed, and images in the batch.
    champion, monitor_run : str
        Pathspecs of the training run and of the monitor run.
    p_value : float or None
        Smallest p-value, corrected for the number of tests; None without a test.
    reference_accuracy : Estimate or None
        Of the champion on its held-out images.
    estimated_accuracy : Estimate or None
        On this batch, without labels; None where it cannot be estimated.
    estimate_reliable : bool
    realised_accuracy : Estimate or None
        On this batch, when its labels are known.
    looks_like : str
        The kind of shift; empty without one.
    retraining : Retraining or None
        None unless retraining was requested.
    """

    verdict: str
    reason: str
    created: str
    batch: str
    batch_sha256: str
    images: int
    images_in_batch: int
    champion: str
    monitor_run: str
    p_value: float | None
    reference_accuracy: Estimate | None
    estimated_accuracy: Estimate | None
    estimate_reliable: bool
    realised_accuracy: Estimate | None
    looks_like: str = ""
    retraining: Retraining | None = None

    @property
    def retrain(self) -> bool:
        """True if the verdict is ``retrain``."""
        return self.verdict == "retrain"

    @property
    def accuracy(self) -> Estimate | None:
        """Realised accuracy if known, else estimated."""
        return self.realised_accuracy or self.estimated_accuracy

    def with_retraining(self, retraining: Retraining) -> Signal:
        """Return a copy with the outcome of the retraining."""
        return replace(self, retraining=retraining)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the signal file."""
        return {"version": VERSION, "retrain": self.retrain} | asdict(self)


def write_signal(path: Path, signal: Signal) -> None:
    """Replace the signal file atomically.

    Parameters
    ----------
    path : Path
        Its directory is created if missing.
    signal : Signal
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(signal.as_dict(), indent=2, allow_nan=False) + "\n"
    write_atomically(path, content.encode())
