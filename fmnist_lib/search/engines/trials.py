"""The trials of an Optuna study as a table, and what explains their accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
import pandas as pd

from fmnist_lib.search.engines.shared_study import SURPLUS, WORKER, repeated_trials

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: With fewer trials fANOVA explains noise.
_FEWEST_FOR_IMPORTANCES = 8

_STATES = {
    optuna.trial.TrialState.COMPLETE: "complete",
    optuna.trial.TrialState.PRUNED: "pruned",
    optuna.trial.TrialState.FAIL: "failed",
}


def trials_frame(study: Study) -> pd.DataFrame:
    """One row per trial; see `fmnist_lib.search.engines.job.Found`."""
    trials = [trial for trial in study.trials if not trial.user_attrs.get(SURPLUS)]
    first = min((trial.datetime_start for trial in trials if trial.datetime_start), default=None)
    repetitions = repeated_trials(trials)
    rows = [
        {
            "number": trial.number,
            "state": _STATES.get(trial.state, "failed"),
            "value": last_report(trial),
            "rung": max(trial.intermediate_values, default=None),
            "seconds": (trial.datetime_complete - first).total_seconds(),
            "reason": failure(trial, repetitions.get(trial.number)),
            **_worker(trial),
            **trial.user_attrs.get("params", {}),
        }
        for trial in trials
        if trial.datetime_complete and first
    ]
    return pd.DataFrame(rows)


def last_report(trial: FrozenTrial) -> float | None:
    """Accuracy at the last rung a trial reached."""
    reports = trial.intermediate_values
    return reports[max(reports)] if reports else None


def failure(trial: FrozenTrial, repetition: int | None = None) -> str | None:
    """Return the reason why a trial did not complete, if it was not its score."""
    if is_abandoned(trial):
        follows = "" if repetition is None else f", tried again as trial {repetition}"
        return f"its worker died{follows}"
    return trial.user_attrs.get("reason")


def is_abandoned(trial: FrozenTrial) -> bool:
    """True if the worker of a trial died."""
    return trial.state == optuna.trial.TrialState.FAIL and "reason" not in trial.user_attrs


def _worker(trial: FrozenTrial) -> dict[str, str]:
    """Return the host and process that ran a trial of a shared study."""
    return {WORKER: trial.user_attrs[WORKER]} if WORKER in trial.user_attrs else {}


def importances(study: Study) -> dict[str, float]:
    """Share of the variance of the first rung's accuracy that each parameter explains.

    Every trial was scored at the first rung, so that pruned ones count as well. fANOVA (Hutter,
    Hoos and Leyton-Brown, ICML 2014); empty for too few trials.
    """
    scored = optuna.create_study(direction="maximize")
    for trial in study.get_trials(deepcopy=False):
        if 1 in trial.intermediate_values and trial.state.is_finished():
            scored.add_trial(
                optuna.trial.create_trial(
                    params=trial.params,
                    distributions=trial.distributions,
                    value=trial.intermediate_values[1],
                )
            )
    if len(scored.trials) < _FEWEST_FOR_IMPORTANCES:
        return {}
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, seed=0)
        return optuna.importance.get_param_importances(scored, evaluator=evaluator)
    except (ValueError, RuntimeError):
        # No parameter was varied in all of the trials, or all scores are the same.
        return {}
