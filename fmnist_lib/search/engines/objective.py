"""Objective of an Optuna study: fits of a recipe on more and more rows, and the best one so far."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from fmnist_lib.common.candidate_result import LearningPoint
from fmnist_lib.common.errors import SearchError
from fmnist_lib.common.statistics import mcnemar, wilson
from fmnist_lib.features.chunks import available_threads
from fmnist_lib.search.engines import shared_study
from fmnist_lib.search.engines.job import OUT_OF_TIME, STAGNATION, Found
from fmnist_lib.search.engines.recorded_fit import FITS, KnownFits, RecordedFit, fits_of
from fmnist_lib.search.engines.search_space import suggest
from fmnist_lib.search.engines.trials import failure, is_abandoned, last_report, trials_frame
from fmnist_lib.search.recipes import pipelines
from fmnist_lib.search.recipes.fit_time import FitTime, Stopwatch

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from fmnist_lib.config.search import OptunaCandidate
    from fmnist_lib.search.engines.job import Job, Report
    from fmnist_lib.search.recipes.recipe import Recipe

#: Rungs of successive halving: with a reduction factor of 4, a trial is fitted on a sixteenth, a
#: quarter and all of the rows.
_RUNGS = 3
#: Measured time of the parameter importances, which are computed after the search.
_IMPORTANCES_SECONDS = 1.0

#: A point of the space that breaks numerically is a failed trial, not a failed candidate.
BREAKDOWNS = (ValueError, ArithmeticError, np.linalg.LinAlgError)


class Objective:
    """Accuracy of a trial's recipe on held-out rows, and the best trial of the study.

    Parameters
    ----------
    candidate : OptunaCandidate
    job : Job
    report : callable
        See `fmnist_lib.search.engines.job.Report`.
    n_starting : int
        The first trials are starting points, which are not pruned.
    known : KnownFits, optional
        Fits that need not be repeated.

    Attributes
    ----------
    stopped : str or None
        Why the search should end; None: it should not.
    n_run : int
        Trials of a shared study that this process ran.
    """

    def __init__(
        self,
        candidate: OptunaCandidate,
        job: Job,
        report: Report,
        n_starting: int = 0,
        known: KnownFits | None = None,
    ) -> None:
        self.stopped: str | None = None
        self.n_run = 0
        self._candidate, self._job, self._report = candidate, job, report
        self._n_starting, self._known = n_starting, known or KnownFits()
        self._store = job.store()
        self._extraction: dict[str, float] = {}
        self._best: FrozenTrial | None = None
        self._judged: set[int] = set()

    def __call__(self, trial: Trial) -> float:
        """Return the accuracy of a trial's recipe on the held-out rows."""
        if self._job.shared:
            self._claim(trial)
        params = suggest(trial, self._candidate, self._job.patch_sizes)
        trial.set_user_attr("params", params)
        try:
            return self._climb(trial, params)
        except BREAKDOWNS as error:
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            raise

    def _claim(self, trial: Trial) -> None:
        """End a trial of a shared study that is one too many."""
        trial.set_user_attr(shared_study.WORKER, shared_study.worker_name())
        if shared_study.is_surplus(trial.study, trial, self._candidate.trials):
            trial.set_user_attr(shared_study.SURPLUS, value=True)
            raise optuna.TrialPruned
        self.n_run += 1

    def _climb(self, trial: Trial, params: dict[str, Any]) -> float:
        """Fit on more and more rows as long as the trial is not pruned."""
        data, reduction = self._job.data, self._candidate.reduction_factor
        recipe = pipelines.make_recipe(params, self._job.seed, self._job.memory_gib)
        growth = pipelines.growth(params)
        self._check_size(trial, recipe)
        score, fit_seconds, curve, fits = 0.0, 0.0, [], []
        n_most = min(self._candidate.rows or data.n_fit, data.n_fit)
        for rung in range(_RUNGS):
            n_fit = n_most // reduction ** (_RUNGS - 1 - rung)
            n_holdout = data.n_holdout // (reduction if rung == 0 else 1)
            if rung:
                self._check_time(trial, fit_seconds * reduction**growth)
            fit = self._known.get(params, rung) or self._fit_and_score(recipe, n_fit, n_holdout)
            fit_seconds, correct = fit.seconds, fit.correct
            score = float(correct.mean())
            fits.append(fit.to_plain())
            # Before the report: a trial with a report is compared by its last fit.
            trial.set_user_attr(FITS, fits)
            trial.report(score, step=reduction**rung)
            curve.append((n_fit, int(correct.sum()), len(correct)))
            trial.set_user_attr("learning_curve", curve)
            # The time of a kernel on few rows does not grow with their square yet.
            if rung or growth <= 1:
                kernel = params["family"] == "kernel"
                fit_time = FitTime(n_fit, fit_seconds, growth, kernel, fit.threads)
                self._note_fit(trial, recipe, fit_time, fit.row_seconds)
            if rung < _RUNGS - 1 and trial.number >= self._n_starting and trial.should_prune():
                raise optuna.TrialPruned
        return score

    def after_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Report progress, and stop when more trials are impossible or not expected to pay."""
        is_better = self.judge_new(study)
        best = self._best
        score = last_report(best) if best else None
        self._report(len(self._judged), score, self.found(study) if is_better else None)
        patience = self._job.max_stagnation_trials
        if self._job.remaining < self._refit_seconds(best) + _IMPORTANCES_SECONDS:
            self.stopped = OUT_OF_TIME
        elif best and patience and trial.number - best.number >= patience:
            self.stopped = f"{STAGNATION} in its last {patience} trials"
        if self.stopped:
            study.stop()

    def judge_new(self, study: Study) -> bool:
        """Compare trials that have ended with the best one; True if one is better."""
        before = self._best
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished() and trial.number not in self._judged:
                self._judged.add(trial.number)
                if self._is_better(trial):
                    self._best = trial
        return self._best is not before

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
            best_trial=best.number,
            score=last_report(best),
            description=pipelines.describe(params),
            fit_time=_fit_time(best) if self._job.is_bounded_by_time else None,
            stopped=self.stopped,
            learning_curve=tuple(
                LearningPoint(rows, wilson(n_correct, n, self._job.confidence))
                for rows, n_correct, n in best.user_attrs["learning_curve"]
            ),
        )

    def _is_better(self, trial: FrozenTrial) -> bool:
        """True if a trial is better than the best before it.

        Trials with a measured fit time rank above those without: one that was pruned on few rows
        is no better only because its time is unknown. The best of many points close to a starting
        point beats it by chance on a few thousand images, hence the paired test.
        """
        if not trial.intermediate_values or is_abandoned(trial):
            return False
        if self._best is None:
            return True
        rank, best_rank = (
            (_fit_time(one) is not None, max(one.intermediate_values))
            for one in (trial, self._best)
        )
        if rank != best_rank:
            return rank > best_rank
        test = mcnemar(*(fits_of(one)[-1].correct for one in (trial, self._best)))
        if self._best.number >= self._n_starting:
            return test.difference > 0
        return test.difference > 0 and test.p_value < self._candidate.p_threshold

    def _check_size(self, trial: Trial, recipe: Recipe) -> None:
        """End a trial whose model would be too large."""
        size = recipe.megabytes(self._store, len(self._job.data.labels))
        if size > self._job.max_model_mb:
            trial.set_user_attr(
                "reason", f"{size:.0f} MB, and at most {self._job.max_model_mb:g} are allowed"
            )
            raise optuna.TrialPruned

    def _check_time(self, trial: Trial, fit_seconds: float) -> None:
        """End a trial if there is not enough time for its next fit."""
        refit_seconds = self._refit_seconds(self._best) if self._best else 0.0
        if self._job.remaining < fit_seconds + refit_seconds:
            trial.set_user_attr("reason", OUT_OF_TIME)
            raise optuna.TrialPruned

    def _note_fit(
        self, trial: Trial, recipe: Recipe, fit_time: FitTime, row_seconds: float
    ) -> None:
        """Store a fit's time, and that of everything else in a fit on the training images."""
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

    def _refit_seconds(self, trial: FrozenTrial | None) -> float:
        """Estimate the seconds needed after the search, beyond those kept for a winner's refit."""
        if not self._job.is_bounded_by_time:
            return 0.0
        fit_time = _fit_time(trial) if trial else None
        if trial is None or fit_time is None:
            return self._job.refit_limit
        data, job = self._job.data, self._job
        train = min(fit_time.at(data.n_train, available_threads()), job.refit_limit)
        winner = min(fit_time.at(len(data.labels), job.cores), job.refit_limit)
        return train + trial.user_attrs["other_seconds"] + max(winner - job.winner_refit_seconds, 0)

    def _fit_and_score(self, recipe: Recipe, n_fit: int, n_holdout: int) -> RecordedFit:
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
        (seconds, threads), fitted = watch.read(), time.monotonic()
        columns = recipe.columns(self._store, data, holdout_rows)
        correct = learner.predict(columns) == data.labels[holdout_rows]
        return RecordedFit(correct, seconds, threads, (time.monotonic() - fitted) / n_holdout)


def _fit_time(trial: FrozenTrial) -> FitTime | None:
    """Return the time of the last fit on enough rows to extrapolate from."""
    values = trial.user_attrs.get("fit_time")
    return FitTime(**values) if values else None


def _no_pipeline(study: Study) -> str:
    reasons = sorted({failure(trial) or "unknown" for trial in study.trials})
    return (
        f"none of {len(study.trials)} trials gave a pipeline: {'; '.join(reasons)}. "
        "Give the candidate more time or a smaller space."
    )
