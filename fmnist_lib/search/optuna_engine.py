"""One candidate as an Optuna study: TPE over the space, successive halving over the rows."""

from __future__ import annotations

import math
import time
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from fmnist_lib.errors import SearchError
from fmnist_lib.search import pipelines
from fmnist_lib.search.result import Found
from fmnist_lib.search.space import MAX_COMPONENTS, suggest
from fmnist_lib.search.tuning import REFIT_MARGIN

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from fmnist_lib.config import OptunaCandidate
    from fmnist_lib.search.tuning import Clock, TuningRows

#: Rows grow by this factor from rung to rung; the worse part of the trials is dropped at each.
REDUCTION = 3
RUNGS = 3

#: A point of the space that breaks numerically is a failed trial, not a failed candidate.
BREAKDOWNS = (ValueError, ArithmeticError, np.linalg.LinAlgError)

_STATES = {
    optuna.trial.TrialState.COMPLETE: "complete",
    optuna.trial.TrialState.PRUNED: "pruned",
    optuna.trial.TrialState.FAIL: "failed",
}


def search(candidate: OptunaCandidate, rows: TuningRows, clock: Clock, seed: int) -> Found:
    """Search for the best pipeline of a candidate.

    Trials are fitted on a ninth, a third and all of the rows, and scored on the held-out ones;
    the pruner (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020)
    ends those that fall behind, and those whose refit would take too long are ended, too. When
    nothing else is left, the pipeline with the quickest refit is taken. The search stops when the
    refit of the best pipeline would no longer fit the clock, or after ``candidate.trials``.

    Parameters
    ----------
    candidate : OptunaCandidate
    rows : TuningRows
    clock : Clock
    seed : int

    Raises
    ------
    SearchError
        Every trial broke down; the message holds the reasons.
    """
    # What failed and why stands in the trials' table.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=REDUCTION, min_early_stopping_rate=0
        ),
    )
    objective = _Objective(candidate, rows, clock, seed)
    study.optimize(
        objective,
        n_trials=candidate.trials,
        callbacks=[objective.after_trial],
        catch=BREAKDOWNS,
    )
    best = _best_trial(study)
    params = best.user_attrs["params"]
    return Found(
        pipeline=pipelines.build_pipeline(params, seed),
        params=params,
        trials=trials_frame(study),
        description=pipelines.describe(params),
    )


class _Objective:
    """Accuracy of a trial's pipeline, with the feature extraction done once per kind."""

    def __init__(
        self, candidate: OptunaCandidate, rows: TuningRows, clock: Clock, seed: int
    ) -> None:
        self._candidate, self._rows, self._clock, self._seed = candidate, rows, clock, seed
        self._components = lru_cache(maxsize=32)(self._compute_components)
        # Raw columns are large and one kind is used at all three rungs: keep just the latest.
        self._columns = lru_cache(maxsize=2)(self._compute_columns)
        self._seconds_per_row: dict[_Extractor, float] = {}
        self._refit_seconds: float | None = None

    def __call__(self, trial: Trial) -> float:
        params = suggest(trial, self._candidate)
        trial.set_user_attr("params", params)
        try:
            return self._climb(trial, params)
        except BREAKDOWNS as error:
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            raise

    def _climb(self, trial: Trial, params: dict[str, Any]) -> float:
        """Fit on more and more rows for as long as the trial keeps up with the others."""
        score, fit_seconds = 0.0, 0.0
        for rung in range(RUNGS):
            self._check_time(trial, REDUCTION * fit_seconds)
            n_rows = len(self._rows.labels) // REDUCTION ** (RUNGS - 1 - rung)
            score, fit_seconds = self._fit_and_score(params, n_rows)
            trial.report(score, step=REDUCTION**rung)
            self._check_refit(trial, params, fit_seconds / n_rows)
            if rung < RUNGS - 1 and trial.should_prune():
                raise optuna.TrialPruned
        return score

    def after_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Report progress, and stop when the time left is needed for the refit."""
        completed = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        best = study.best_trial if completed else None
        self._clock.report("searching", trial.number + 1, best.value if best else None)
        if best:
            self._refit_seconds = _refit_seconds(best)
        elif quickest := _quickest_refit(study):
            # Until half the time is gone, a trial with a quicker refit may still turn up.
            self._refit_seconds = min(quickest, 0.5 * self._clock.limit)
        if self._time_is_up():
            study.stop()

    def _time_is_up(self, fit_seconds: float = 0.0) -> bool:
        """Whether one more fit would eat into the time for refitting the best pipeline so far.

        As long as none is good enough to be the best, the one with the quickest refit counts.
        """
        if self._candidate.trials is not None or self._refit_seconds is None:
            return False
        return self._clock.remaining < self._refit_seconds + fit_seconds

    def _check_time(self, trial: Trial, fit_seconds: float) -> None:
        """End a trial when the time does not allow its next fit."""
        if self._time_is_up(fit_seconds):
            trial.set_user_attr("reason", "the time was up")
            raise optuna.TrialPruned

    def _check_refit(self, trial: Trial, params: dict[str, Any], seconds_per_row: float) -> None:
        """Drop a pipeline whose refit on all training images would take too long."""
        extraction = sum(
            self._seconds_per_row[_Extractor(extractor)]
            for extractor, _ in pipelines.feature_blocks(params).values()
        )
        seconds = REFIT_MARGIN * self._rows.n_train * (seconds_per_row + extraction)
        trial.set_user_attr("refit_seconds", seconds)
        # A search bounded by trials must not depend on how fast the machine is.
        if seconds > self._clock.refit_limit and self._candidate.trials is None:
            trial.set_user_attr("reason", f"the refit would take about {seconds:.0f} s")
            raise optuna.TrialPruned

    def _fit_and_score(self, params: dict[str, Any], n_rows: int) -> tuple[float, float]:
        """Accuracy on the held-out rows, and seconds of the fit."""
        fit_columns, holdout_columns = self._feature_columns(params, n_rows)
        model = Pipeline(pipelines.tail_steps(params, self._seed))
        start = time.monotonic()
        with warnings.catch_warnings():
            # The number of iterations is one of the parameters: stopping at it is intended.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # The first rungs may have fewer rows than a batch.
            warnings.filterwarnings("ignore", message="Got `batch_size`")
            model.fit(fit_columns, self._rows.labels[:n_rows])
        fit_seconds = time.monotonic() - start
        return float(model.score(holdout_columns, self._rows.holdout_labels)), fit_seconds

    def _feature_columns(
        self, params: dict[str, Any], n_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give what the pipeline's feature step gives for the fitted and the held-out rows.

        Principal components are nested: the first k of many are those of an analysis for k.
        """
        fit_blocks, holdout_blocks = [], []
        for name, (extractor, components) in pipelines.feature_blocks(params).items():
            fit, holdout = self._components(_Extractor(extractor), n_rows)
            weight = np.float32(pipelines.block_weight(name, params))
            fit_blocks.append(weight * fit[:, :components])
            holdout_blocks.append(weight * holdout[:, :components])
        return np.hstack(fit_blocks), np.hstack(holdout_blocks)

    def _compute_components(
        self, extractor: _Extractor, n_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        fit, holdout = self._columns(extractor)
        reducer = pipelines.reducer(min(MAX_COMPONENTS, n_rows, fit.shape[1]), self._seed)
        return reducer.fit_transform(fit[:n_rows]), reducer.transform(holdout)

    def _compute_columns(self, extractor: _Extractor) -> tuple[np.ndarray, np.ndarray]:
        start = time.monotonic()
        fit = extractor.estimator.fit_transform(self._rows.images)
        holdout = extractor.estimator.transform(self._rows.holdout_images)
        seconds = time.monotonic() - start
        self._seconds_per_row[extractor] = seconds / (len(fit) + len(holdout))
        return fit, holdout


class _Extractor:
    """A stateless feature extractor as a cache key: equal when its parameters are."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self._key = repr((type(estimator), sorted(estimator.get_params().items())))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Extractor) and self._key == other._key


def _refit_seconds(trial: FrozenTrial) -> float:
    """Estimated time of a refit; infinite for a trial that broke down before it was known."""
    return float(trial.user_attrs.get("refit_seconds", math.inf))


def _quickest_refit(study: Study) -> float | None:
    """Shortest estimated refit of all trials; None as long as none is known."""
    seconds = min(map(_refit_seconds, study.trials), default=math.inf)
    return seconds if math.isfinite(seconds) else None


def _best_trial(study: Study) -> FrozenTrial:
    """Return the best complete trial, or the one with the quickest refit, or say why none."""
    if any(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials):
        return study.best_trial
    if _quickest_refit(study) is not None:
        return min(study.trials, key=_refit_seconds)
    reasons = sorted({_reason(trial) or "unknown" for trial in study.trials})
    raise SearchError(
        f"none of {len(study.trials)} trials gave a pipeline: {'; '.join(reasons)}. "
        "Give the candidate more time or a smaller space."
    )


def trials_frame(study: Study) -> pd.DataFrame:
    """One row a trial; see `fmnist_lib.search.result.Found`."""
    first = study.trials[0].datetime_start
    rows = [
        {
            "number": trial.number,
            "state": _STATES.get(trial.state, "failed"),
            "value": _last_report(trial),
            "seconds": (trial.datetime_complete - first).total_seconds(),
            "reason": _reason(trial),
            **trial.user_attrs.get("params", {}),
        }
        for trial in study.trials
        if trial.datetime_complete and first
    ]
    return pd.DataFrame(rows)


def _last_report(trial: FrozenTrial) -> float | None:
    """Accuracy at the last rung a trial reached."""
    reports = trial.intermediate_values
    return reports[max(reports)] if reports else None


def _reason(trial: FrozenTrial) -> str | None:
    """Why a trial did not complete, where something other than its score was the cause."""
    return trial.user_attrs.get("reason")
