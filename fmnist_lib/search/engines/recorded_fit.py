"""Fits of a trial, as plain values among its attributes.

They are all that another process needs to continue or to judge the trial: a resumed run repeats
no fit, and the workers of a shared study compare each other's trials on the same images.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

#: Name of the attribute.
FITS = "fits"


@dataclass(frozen=True, eq=False)
class RecordedFit:
    """Result of one fit of a trial.

    Attributes
    ----------
    correct : ndarray of bool, shape (n,)
        Held-out images that were predicted correctly.
    seconds, threads : float
        Duration of the fit, and the mean number of threads it used.
    row_seconds : float
        Duration of the prediction, per image.
    """

    correct: NDArray[np.bool_]
    seconds: float
    threads: float
    row_seconds: float

    def to_plain(self) -> list[Any]:
        """Return values that JSON can hold, their checksum last."""
        packed = base64.b64encode(np.packbits(self.correct).tobytes()).decode()
        plain = [len(self.correct), packed, self.seconds, self.threads, self.row_seconds]
        return [*plain, _checksum(plain)]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> RecordedFit:
        """Return the fit that `to_plain` was called on.

        Raises
        ------
        ValueError
            The values are damaged.

        Examples
        --------
        >>> fit = RecordedFit(np.array([True, False, True]), 0.1, 1.0, 1e-4)
        >>> RecordedFit.from_plain(fit.to_plain()).correct
        array([ True, False,  True])
        """
        # Earlier versions of the project wrote no checksum.
        n, packed, seconds, threads, row_seconds, *checksum = plain
        if checksum and checksum != [_checksum(plain[:-1])]:
            raise ValueError("the checksum of a recorded fit is wrong")
        bits = np.frombuffer(base64.b64decode(packed), dtype=np.uint8)
        return cls(np.unpackbits(bits, count=n).astype(bool), seconds, threads, row_seconds)


def fits_of(trial: FrozenTrial) -> list[RecordedFit]:
    """Return the fits of a trial, on fewer rows first."""
    return [RecordedFit.from_plain(plain) for plain in trial.user_attrs.get(FITS, ())]


class KnownFits:
    """Fits of the trials of an interrupted search, by hyper-parameters.

    Parameters
    ----------
    trials : iterable of FrozenTrial
        Of the same search: same data, seed and settings.
    """

    def __init__(self, trials: Iterable[FrozenTrial] = ()) -> None:
        self._fits: dict[str, list[RecordedFit]] = {}
        for trial in trials:
            key, fits = _key(trial.user_attrs.get("params", {})), fits_of(trial)
            if len(fits) > len(self._fits.get(key, ())):
                self._fits[key] = fits

    def __len__(self) -> int:
        """Count the hyper-parameters with a fit."""
        return len(self._fits)

    def get(self, params: dict[str, Any], rung: int) -> RecordedFit | None:
        """Return the fit of a rung, counted from 0; None if it has to be done."""
        fits = self._fits.get(_key(params), ())
        return fits[rung] if rung < len(fits) else None


def _checksum(plain: list[Any]) -> int:
    return zlib.crc32(json.dumps(plain).encode())


def _key(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
