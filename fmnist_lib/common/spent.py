"""Time and images that a search and the refit of its winner used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """Time and images of the search and of the winner's refit.

    Attributes
    ----------
    seconds, total_seconds : float
        Wall time used and allowed.
    rows, most_rows : int
        Training and validation images that the winner was fitted on, and how many there are.
    stopped_early : str or None
        Why the search did not use its time; None if it did.
    """

    seconds: float
    total_seconds: float
    rows: int
    most_rows: int
    stopped_early: str | None = None

    def __str__(self) -> str:
        """Return the time in words."""
        if self.stopped_early:
            minutes = f"{self.seconds / 60:.1f} of {self.total_seconds / 60:.3g} minutes"
            return f"Stopped after {minutes}: {self.stopped_early}"
        return f"Search and refit took {self.seconds:.0f} of {self.total_seconds:.0f} seconds"
