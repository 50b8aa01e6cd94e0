"""Rank the candidates and select the winner, on validation images only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.statistics import mcnemar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from fmnist_lib.common.statistics import Estimate


#: p-value below which an ensemble counts as better than the best single candidate.
_SIGNIFICANT = 0.05


class Entry(Protocol):
    """Attributes of a candidate that the leaderboard reads; see `search.CandidateResult`."""

    id: str
    engine: str
    description: str
    trial_accuracy: float | None
    validation_accuracy: Estimate | None
    validation_log_loss: float | None
    validation_correct: np.ndarray | None
    trials: pd.DataFrame | None
    stopped: str | None
    search_seconds: float
    fit_seconds: float
    fit_rows: int
    predict_ms_per_image: float
    model_mb: float
    error: str | None


class Limits(Protocol):
    """Limits on size and latency of the winner; see `config.SearchConfig`."""

    @property
    def max_model_mb(self) -> float:
        """Maximum size in 10**6 bytes."""

    @property
    def max_ms_per_image(self) -> float:
        """Maximum wall time per image when predicting in batches."""


def select_winner(entries: Sequence[Entry], limits: Limits | None = None) -> Any:
    """Return the candidate with the highest validation accuracy, baselines excluded.

    Candidates over the limits are eligible only if all of them are over. Ties are broken by lower
    log loss, then by smaller model. An ensemble costs as much as all its members, so it wins only
    if it is significantly better than the best single candidate (McNemar's test).

    Raises
    ------
    SearchError
        Every candidate failed; the message lists the reasons.
    """
    eligible = [entry for entry in entries if entry.engine != "baseline"]
    finished = [entry for entry in eligible if entry.error is None]
    if not finished:
        reasons = "; ".join(f"{entry.id}: {entry.error}" for entry in eligible)
        raise SearchError(
            f"all {len(eligible)} candidates failed, expected at least one to finish. {reasons}. "
            "Fix the cause and resume the run, or increase the search budget."
        )
    within = [entry for entry in finished if _within(entry, limits)] or finished
    best = min(within, key=_rank)
    singles = [entry for entry in within if entry.engine != "ensemble"]
    if best.engine == "ensemble" and singles:
        single = min(singles, key=_rank)
        p_value = _p_value(single, best)
        return best if p_value is not None and p_value < _SIGNIFICANT else single
    return best


def leaderboard(entries: Sequence[Entry], limits: Limits | None = None) -> pd.DataFrame:
    """Table with one row per candidate, best first, failed ones last.

    Returns
    -------
    DataFrame
        ``candidate``, ``engine``, ``status`` ("winner", "ok", "over the limits", "baseline" or
        "failed: why"), ``trial_accuracy``, ``validation_accuracy``, ``accuracy_low``,
        ``accuracy_high``, ``p_value`` (McNemar against the winner), ``pareto`` (no other
        dominates it in accuracy, latency and size), ``validation_log_loss``, ``stopped`` (why
        the search ended before its trials did, if so), ``search_seconds``,
        ``fit_seconds``, ``fit_rows`` (training images of the fit that was validated),
        ``predict_ms_per_image``, ``model_mb``, ``trials``, ``description``.
    """
    import pandas as pd

    winner = select_winner(entries, limits)
    finished = sorted((entry for entry in entries if entry.error is None), key=_rank)
    failed = [entry for entry in entries if entry.error is not None]
    rows = [_row(entry, winner, limits) for entry in [*finished, *failed]]
    for entry, row in zip(finished, rows, strict=False):
        row["pareto"] = not any(_dominates(other, entry) for other in finished)
    return pd.DataFrame(rows)


def _within(entry: Entry, limits: Limits | None) -> bool:
    return limits is None or (
        entry.model_mb <= limits.max_model_mb
        and entry.predict_ms_per_image <= limits.max_ms_per_image
    )


def _costs(entry: Entry) -> tuple[float, float, float]:
    return _rank(entry)[0], entry.predict_ms_per_image, entry.model_mb


def _dominates(one: Entry, other: Entry) -> bool:
    """True if one candidate is no worse than the other in all costs and better in one."""
    pairs = list(zip(_costs(one), _costs(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _rank(entry: Entry) -> tuple[float, float, float]:
    accuracy, log_loss = entry.validation_accuracy, entry.validation_log_loss
    assert accuracy is not None  # noqa: S101 (a candidate without an error has scores)
    assert log_loss is not None  # noqa: S101
    return -accuracy.value, log_loss, entry.model_mb


def _row(entry: Entry, winner: Entry, limits: Limits | None) -> dict[str, Any]:
    accuracy = entry.validation_accuracy
    return {
        "candidate": entry.id,
        "engine": entry.engine,
        "status": _status(entry, winner, limits),
        "trial_accuracy": entry.trial_accuracy,
        "validation_accuracy": accuracy.value if accuracy else None,
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "p_value": _p_value(entry, winner),
        "pareto": False,
        "validation_log_loss": entry.validation_log_loss,
        "stopped": entry.stopped or "",
        "search_seconds": entry.search_seconds,
        "fit_seconds": entry.fit_seconds,
        "fit_rows": entry.fit_rows,
        "predict_ms_per_image": entry.predict_ms_per_image,
        "model_mb": entry.model_mb,
        "trials": 0 if entry.trials is None else len(entry.trials),
        "description": entry.description,
    }


def _status(entry: Entry, winner: Entry, limits: Limits | None) -> str:
    if entry.error is not None:
        return f"failed: {entry.error}"
    if entry is winner:
        return "winner"
    if entry.engine == "baseline":
        return "baseline"
    return "ok" if _within(entry, limits) else "over the limits"


def _p_value(entry: Entry, winner: Entry) -> float | None:
    first, second = winner.validation_correct, entry.validation_correct
    if entry is winner or first is None or second is None:
        return None
    return mcnemar(first, second).p_value
