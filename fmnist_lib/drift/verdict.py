"""Decide the verdict from the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fmnist_lib.common.formatting import distinct
from fmnist_lib.common.statistics import SMALLEST_P_VALUE

if TYPE_CHECKING:
    from fmnist_lib.config.drift import VerdictConfig
    from fmnist_lib.drift.evidence import Evidence

Verdict = Literal["insufficient_data", "ok", "watch", "retrain"]


def retrain_alpha(config: VerdictConfig) -> float:
    """Significance level per batch that keeps to the yearly budget of false `retrain` verdicts."""
    return 1 - (1 - config.false_retrains_per_year) ** (1 / config.batches_per_year)


def watch_alpha(config: VerdictConfig) -> float:
    """Significance level per batch that gives the configured false `watch` verdicts per year."""
    return min(0.5, config.false_watches_per_year / config.batches_per_year)


def decide(evidence: Evidence, config: VerdictConfig) -> tuple[Verdict, str]:
    """Return the verdict and its reason.

    Parameters
    ----------
    evidence : Evidence
    config : VerdictConfig
    """
    p_value = evidence.p_value
    if p_value > watch_alpha(config):
        return (
            "ok",
            f"no significant difference from the held-out images ({_p(p_value)})",
        )
    found = f"the batch differs from the held-out images ({_p(p_value)}, {evidence.decisive})"
    lost = _loss(evidence, config.min_drop)
    objections = _objections(evidence, config)
    if objections:
        return "watch", f"{found}; {lost}; no retraining, as {' and '.join(objections)}"
    return (
        "retrain",
        f"{found}; {lost}, at least the {_points(config.min_drop)} required for retraining",
    )


def too_few(n: int, config: VerdictConfig) -> str:
    """Return the reason of the verdict ``insufficient_data``."""
    return f"{n} images are too few to assess, at least {config.min_rows} are needed"


def _objections(evidence: Evidence, config: VerdictConfig) -> list[str]:
    """Return the reasons against retraining despite a significant difference."""
    level = retrain_alpha(config)
    effect = max(evidence.effect_size, evidence.drop)
    objections = []
    if evidence.p_value > level:
        objections.append(f"p exceeds {level:.1g}, set by the yearly false-alarm budget")
    if effect < config.min_effect:
        objections.append(
            f"the effect of {distinct(effect, config.min_effect, 3)} is below {config.min_effect:g}"
        )
    if evidence.drop < config.min_drop:
        objections.append(f"the loss is below {_points(config.min_drop)}")
    return objections


def _loss(evidence: Evidence, bound: float) -> str:
    change = _change(evidence.drop, bound)
    if evidence.realised:
        return f"by the labels the accuracy is {change}"
    doubt = "" if evidence.reliable else ", a rough estimate for images this different"
    return f"the accuracy is estimated to be {change}{doubt}"


def _change(drop: float, bound: float) -> str:
    points = distinct(100 * abs(drop), 100 * bound, 1)
    return f"{points} points {'lower' if drop >= 0 else 'higher'}"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _p(value: float) -> str:
    return f"p = {value:.2g}" if value >= SMALLEST_P_VALUE else "p < 0.0001"
