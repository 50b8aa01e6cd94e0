"""One candidate as an Optuna study: TPE over the space, successive halving over the rows."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd

from fmnist_lib.common.errors import SearchError
from fmnist_lib.search.engines.search_space import starting_points, suggest
from fmnist_lib.search.engines.studies import StudyFolder
from fmnist_lib.search.execution.clock import MARGIN, RefitTime
from fmnist_lib.search.execution.result import FitTime, Found, Stopwatch
from fmnist_lib.search.recipes import pipelines

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from fmnist_lib.config.search import OptunaCandidate
    from fmnist_lib.search.execution.clock import Clock
    from fmnist_lib.search.execution.job import Job
    from fmnist_lib.search.recipes.recipe import Recipe

#: Rows grow by this factor from rung to rung; the worse part of the trials is dropped at each.
REDUCTION = 4
RUNGS = 3

#: Standard errors of the paired difference by which a trial must beat a starting point: the best of
#: many points close to each other wins by luck on a few thousand images.
_CLEARLY = 2.0

_FEWEST_FOR_IMPORTANCES = 8
#: Kept for the parameter importances, which are computed when the search has ended.
_IMPORTANCES_SECONDS = 1.0

#: A point of the space that breaks numerically is a failed trial, not a failed candidate.
BREAKDOWNS = (ValueError, ArithmeticError, np.linalg.LinAlgError)

_STATES = {
    optuna.trial.TrialState.COMPLETE: "complete",
    optuna.trial.TrialState.PRUNED: "pruned",
    optuna.trial.TrialState.FAIL: "failed",
}


def search(
    candidate: OptunaCandidate, job: Job, clock: Clock, keep: Callable[[Found], None]
) -> Found:
    """Search for the best recipe of a candidate.

    Trials are fitted on a sixteenth, a quarter and all of the rows, and scored on the held-out
    ones (on a quarter of them at first); the pruner (Li et al., "A System for Massively Parallel
    Hyperparameter Tuning", MLSys 2020) ends those that fall behind. A recipe that was fitted on
    more rows beats every one that was fitted on fewer; on as many, a starting point is given up
    only for one that is clearly better. The search stops when the refit of the best recipe would
    no longer fit the clock, or after ``candidate.trials``.

    Parameters
    ----------
    candidate : OptunaCandidate
    job : Job
    clock : Clock
    keep : callable
        Called with the best recipe so far whenever there is a better one.

    Raises
    ------
    SearchError
        Every trial broke down; the message holds the reasons.
    """
    # What failed and why stands in the trials' table.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    # A search bounded by trials must be repeatable, so it does not look at earlier ones.
    folder = None if candidate.trials else StudyFolder(job.cache, candidate, job.data)
    earlier = folder.best_points() if folder and job.warm_start else []
    study = optuna.create_study(
        storage=folder.storage() if folder else None,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=job.seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=REDUCTION, min_early_stopping_rate=0
        ),
    )
    first = starting_points(candidate, job.patch_sizes)
    for point in [*first, *earlier]:
        study.enqueue_trial(point, skip_if_exists=True)
    objective = _Objective(candidate, job, clock, keep, n_kept=len(first))
    study.optimize(
        objective,
        n_trials=candidate.trials,
        callbacks=[objective.after_trial],
        catch=BREAKDOWNS,
    )
    return replace(objective.found(study), importances=_importances(study))


class _Objective:
    """Accuracy of a trial's recipe on held-out rows; the first ``n_kept`` are starting points.

    Those are not pruned, and not given up for luck.
    """

    def __init__(
        self,
        candidate: OptunaCandidate,
        job: Job,
        clock: Clock,
        keep: Callable[[Found], None],
        n_kept: int = 0,
    ) -> None:
        self._candidate, self._job, self._clock, self._keep = candidate, job, clock, keep
        self._n_kept = n_kept
        self._store = job.store()
        self._extraction: dict[str, float] = {}
        self._best: FrozenTrial | None = None
        self._correct: dict[int, np.ndarray] = {}

    def __call__(self, trial: Trial) -> float:
        params = suggest(trial, self._candidate, self._job.patch_sizes)
        trial.set_user_attr("params", params)
        try:
            return self._climb(trial, params)
        except BREAKDOWNS as error:
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            raise

    def _climb(self, trial: Trial, params: dict[str, Any]) -> float:
        """Fit on more and more rows for as long as the trial keeps up with the others."""
        data = self._job.data
        recipe = pipelines.make_recipe(params, self._job.seed, self._job.memory_gib)
        growth = pipelines.growth(params)
        self._check_size(trial, recipe)
        score, fit_seconds = 0.0, 0.0
        n_most = min(self._candidate.rows or data.n_fit, data.n_fit)
        for rung in range(RUNGS):
            n_fit = n_most // REDUCTION ** (RUNGS - 1 - rung)
            n_holdout = data.n_holdout // (REDUCTION if rung == 0 else 1)
            if rung:
                self._check_time(trial, fit_seconds * REDUCTION**growth)
            correct, (fit_seconds, threads), row_seconds = self._fit_and_score(
                recipe, n_fit, n_holdout
            )
            score = float(correct.mean())
            self._correct[trial.number] = correct
            trial.report(score, step=REDUCTION**rung)
            # On few rows a kernel spends its time on what does not grow with their square.
            if rung or growth <= 1:
                fit_time = FitTime(
                    n_fit, fit_seconds, growth, params["family"] == "kernel", threads
                )
                self._note_fit(trial, recipe, fit_time, row_seconds)
            if rung < RUNGS - 1 and trial.number >= self._n_kept and trial.should_prune():
                raise optuna.TrialPruned
        return score

    def after_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Report progress, and stop when the time left is needed for the refit."""
        is_better = self._beats_best(trial)
        if is_better:
            self._best = trial
        best = self._best
        score = _last_report(best) if best else None
        refit = self._refit_time(best)
        self._clock.report("searching", trial.number + 1, score, refit)
        if is_better:
            self._keep(self.found(study))
        if self._candidate.trials is not None:
            return
        # Until one is timed, the longest there may be.
        unknown = RefitTime(self._clock.train_limit, 0.0)
        if not self._clock.allows(refit or unknown, _IMPORTANCES_SECONDS):
            study.stop()

    def found(self, study: Study) -> Found:
        """Return the best recipe of the study."""
        best = self._best
        if best is None:
            raise SearchError(_no_pipeline(study))
        params = best.user_attrs["params"]
        return Found(
            recipe=pipelines.make_recipe(params, self._job.seed, self._job.memory_gib),
            params=params,
            trials=trials_frame(study),
            score=_last_report(best),
            description=pipelines.describe(params),
            fit_time=None if self._candidate.trials else _fit_time(best),
        )

    def _beats_best(self, trial: FrozenTrial) -> bool:
        """Whether a trial is better than the best before it.

        One whose refit is known beats those of which nobody knows it: one that fell behind on few
        rows is no better than others only because nobody timed it.
        """
        if not trial.intermediate_values:
            return False
        if self._best is None:
            return True
        standing, best_standing = (
            (_fit_time(one) is not None, max(one.intermediate_values))
            for one in (trial, self._best)
        )
        if standing != best_standing:
            return standing > best_standing
        gain = self._correct[trial.number].astype(float) - self._correct[self._best.number]
        needed = _CLEARLY * gain.std() / np.sqrt(len(gain))
        return bool(gain.mean() > (needed if self._best.number < self._n_kept else 0))

    def _check_size(self, trial: Trial, recipe: Recipe) -> None:
        """End a trial whose model could not become champion."""
        size = recipe.megabytes(self._store, len(self._job.data.labels))
        if size > self._job.max_model_mb:
            trial.set_user_attr(
                "reason", f"{size:.0f} MB, and at most {self._job.max_model_mb:g} are allowed"
            )
            raise optuna.TrialPruned

    def _check_time(self, trial: Trial, fit_seconds: float) -> None:
        """End a trial when the time does not allow its next fit."""
        if self._candidate.trials is not None:
            return
        refit = self._refit_time(self._best) or RefitTime(0.0, 0.0)
        if not self._clock.allows(refit, fit_seconds):
            trial.set_user_attr("reason", "the time was up")
            raise optuna.TrialPruned

    def _note_fit(
        self, trial: Trial, recipe: Recipe, fit_time: FitTime, row_seconds: float
    ) -> None:
        """Note how long a fit took, and what else a refit on the training images would take."""
        data = self._job.data
        missing = sum(
            self._store.missing(block.extractor, data.all_rows)
            * self._extraction.get(block.name, 0)
            for block in recipe.blocks
        )
        n_validation = len(data.labels) - data.n_train
        predict = row_seconds * n_validation * data.n_train / fit_time.rows
        trial.set_user_attr("fit_time", asdict(fit_time))
        trial.set_user_attr("other_seconds", missing + predict)

    def _refit_time(self, trial: FrozenTrial | None) -> RefitTime | None:
        """Estimate the time of the refits; None where none was timed.

        What is too long will be done on fewer rows. Once the others have ended, a kernel has all
        processors.
        """
        fit_time = _fit_time(trial) if trial else None
        if trial is None or fit_time is None:
            return None
        data, all_threads = self._job.data, self._job.champion_threads
        threads = all_threads if self._clock.alone else fit_time.threads
        train = min(MARGIN * fit_time.at(data.n_train, threads), self._clock.train_limit)
        champion = MARGIN * fit_time.at(len(data.labels), all_threads)
        return RefitTime(
            train + MARGIN * trial.user_attrs["other_seconds"],
            min(champion, self._clock.champion_limit),
        )

    def _fit_and_score(
        self, recipe: Recipe, n_fit: int, n_holdout: int
    ) -> tuple[np.ndarray, tuple[float, float], float]:
        """Which held-out rows it gets right, seconds and threads of the fit, seconds a row."""
        data = self._job.data
        fit_rows, holdout_rows = data.fit_rows(n_fit), data.holdout_rows(n_holdout)
        for block in recipe.blocks:
            missing = sum(
                self._store.missing(block.extractor, rows) for rows in (fit_rows, holdout_rows)
            )
            start = time.monotonic()
            for rows in (fit_rows, holdout_rows):
                self._store.columns(block.extractor, rows)
            if missing:
                self._extraction[block.name] = (time.monotonic() - start) / missing
        watch = Stopwatch()
        learner = recipe.fit_learner(self._store, data, fit_rows)
        spent, fitted = watch.read(), time.monotonic()
        columns = recipe.columns(self._store, data, holdout_rows)
        correct = learner.predict(columns) == data.labels[holdout_rows]
        return correct, spent, (time.monotonic() - fitted) / n_holdout


def _importances(study: Study) -> dict[str, float]:
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


def _fit_time(trial: FrozenTrial) -> FitTime | None:
    """Time of the last fit that says something about longer ones."""
    values = trial.user_attrs.get("fit_time")
    return FitTime(**values) if values else None


def _no_pipeline(study: Study) -> str:
    reasons = sorted({_reason(trial) or "unknown" for trial in study.trials})
    return (
        f"none of {len(study.trials)} trials gave a pipeline: {'; '.join(reasons)}. "
        "Give the candidate more time or a smaller space."
    )


def trials_frame(study: Study) -> pd.DataFrame:
    """One row a trial; see `fmnist_lib.search.execution.result.Found`."""
    first = study.trials[0].datetime_start
    rows = [
        {
            "number": trial.number,
            "state": _STATES.get(trial.state, "failed"),
            "value": _last_report(trial),
            "rung": max(trial.intermediate_values, default=None),
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
