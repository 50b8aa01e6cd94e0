"""Rank the candidates and select the winner, on validation images only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.statistics import SIGNIFICANT, mcnemar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from fmnist_lib.common.candidate_result import CandidateResult
    from fmnist_lib.config.search import SearchConfig

#: Status of a candidate that is too large or too slow (`search.max_model_mb`, `max_ms_per_image`).
OVER_LIMITS = "over the limits"


def select_winner(
    candidates: Sequence[CandidateResult], limits: SearchConfig | None = None
) -> CandidateResult:
    """Return the candidate with the highest validation accuracy, baselines excluded.

    Candidates over the limits are eligible only if all of them are over. Ties are broken by lower
    log loss, then by smaller model. An ensemble costs as much as all its members, so it wins only
    if it is significantly better than the best single candidate (McNemar's test).

    Raises
    ------
    SearchError
        Every candidate failed; the message lists the reasons.
    """
    within = _eligible(candidates, limits)
    if not within:
        searched = [candidate for candidate in candidates if candidate.engine != "baseline"]
        reasons = "; ".join(f"{candidate.id}: {candidate.error}" for candidate in searched)
        raise SearchError(
            f"all {len(searched)} candidates failed, expected at least one to finish. {reasons}. "
            "Fix the cause and resume the run, or increase the search budget."
        )
    best = min(within, key=_rank)
    singles = [candidate for candidate in within if candidate.engine != "ensemble"]
    if best.engine == "ensemble" and singles:
        single = min(singles, key=_rank)
        p_value = _p_value(single, best)
        return best if p_value is not None and p_value < SIGNIFICANT else single
    return best


def selected_among(
    candidates: Sequence[CandidateResult], limits: SearchConfig | None = None
) -> list[CandidateResult]:
    """Return the candidates from which the winner was selected as the one that ranks first.

    Those within the limits, without baselines, and without an ensemble that did not win: however
    it ranks, the best single candidate is selected before it.
    """
    winner = select_winner(candidates, limits)
    return [
        candidate
        for candidate in _eligible(candidates, limits)
        if candidate.engine != "ensemble" or candidate is winner
    ]


def _eligible(
    candidates: Sequence[CandidateResult], limits: SearchConfig | None
) -> list[CandidateResult]:
    """Return the finished candidates within the limits, or all if none is; no baselines."""
    finished = [
        candidate
        for candidate in candidates
        if candidate.engine != "baseline" and candidate.error is None
    ]
    return [candidate for candidate in finished if _within(candidate, limits)] or finished


def leaderboard(
    candidates: Sequence[CandidateResult], limits: SearchConfig | None = None
) -> pd.DataFrame:
    """Table with one row per candidate, best first, failed ones last.

    Returns
    -------
    DataFrame
        ``candidate``, ``engine``, ``status`` ("winner", "ok", `OVER_LIMITS`, "baseline" or
        "failed: why"), ``trial_accuracy``, ``validation_accuracy``, ``accuracy_low``,
        ``accuracy_high``, ``p_value`` (McNemar against the winner), ``pareto`` (no other
        dominates it in accuracy, latency and size), ``validation_log_loss``, ``stopped`` (why
        the search ended before its trials did, if so), ``search_seconds``,
        ``fit_seconds``, ``fit_rows`` (training images of the fit that was validated),
        ``predict_ms_per_image``, ``model_mb``, ``trials``, ``description``.
    """
    import pandas as pd

    winner = select_winner(candidates, limits)
    finished = sorted((candidate for candidate in candidates if candidate.error is None), key=_rank)
    failed = [candidate for candidate in candidates if candidate.error is not None]
    rows = [_row(candidate, winner, limits) for candidate in [*finished, *failed]]
    for candidate, row in zip(finished, rows, strict=False):
        row["pareto"] = not any(_dominates(other, candidate) for other in finished)
    return pd.DataFrame(rows)


def winner_of(board: pd.DataFrame) -> pd.Series[Any]:
    """Return the winner's row of a leaderboard."""
    return board.loc[board["status"] == "winner"].iloc[0]


def is_failed(board: pd.DataFrame) -> pd.Series[bool]:
    """Return for every row of a leaderboard whether the candidate failed."""
    return board["status"].str.startswith("failed")


def _within(candidate: CandidateResult, limits: SearchConfig | None) -> bool:
    return limits is None or (
        candidate.model_mb <= limits.max_model_mb
        and candidate.predict_ms_per_image <= limits.max_ms_per_image
    )


def _costs(candidate: CandidateResult) -> tuple[float, float, float]:
    return _rank(candidate)[0], candidate.predict_ms_per_image, candidate.model_mb


def _dominates(one: CandidateResult, other: CandidateResult) -> bool:
    """True if one candidate is no worse than the other in all costs and better in one."""
    pairs = list(zip(_costs(one), _costs(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _rank(candidate: CandidateResult) -> tuple[float, float, float]:
    accuracy, log_loss = candidate.validation_accuracy, candidate.validation_log_loss
    assert accuracy is not None  # noqa: S101 (a candidate without an error has scores)
    assert log_loss is not None  # noqa: S101
    return -accuracy.value, log_loss, candidate.model_mb


def _row(
    candidate: CandidateResult, winner: CandidateResult, limits: SearchConfig | None
) -> dict[str, Any]:
    accuracy = candidate.validation_accuracy
    return {
        "candidate": candidate.id,
        "engine": candidate.engine,
        "status": _status(candidate, winner, limits),
        "trial_accuracy": candidate.trial_accuracy,
        "validation_accuracy": accuracy.value if accuracy else None,
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "p_value": _p_value(candidate, winner),
        "pareto": False,
        "validation_log_loss": candidate.validation_log_loss,
        "stopped": candidate.stopped or "",
        "search_seconds": candidate.search_seconds,
        "fit_seconds": candidate.fit_seconds,
        "fit_rows": candidate.fit_rows,
        "predict_ms_per_image": candidate.predict_ms_per_image,
        "model_mb": candidate.model_mb,
        "trials": 0 if candidate.trials is None else len(candidate.trials),
        "description": candidate.description,
    }


def _status(
    candidate: CandidateResult, winner: CandidateResult, limits: SearchConfig | None
) -> str:
    if candidate.error is not None:
        return f"failed: {candidate.error}"
    if candidate is winner:
        return "winner"
    if candidate.engine == "baseline":
        return "baseline"
    return "ok" if _within(candidate, limits) else OVER_LIMITS


def _p_value(candidate: CandidateResult, winner: CandidateResult) -> float | None:
    first, second = winner.validation_correct, candidate.validation_correct
    if candidate is winner or first is None or second is None:
        return None
    return mcnemar(first, second).p_value
