"""LightGBM tuned by Optuna, as one would write it by hand.

Half of the time tunes on a sub-sample, scored on rows held out; the other half refits the best
parameters on all rows. Boosting stops where the time is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
from exchange import Task
from lightgbm import LGBMClassifier, early_stopping
from lightgbm.callback import CallbackEnv, EarlyStopException
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20
TUNING_ROWS = 10_000
MAX_TREES = 1000
PATIENCE = 20


def main() -> None:
    """Tune, refit and answer."""
    task = Task.from_command_line()
    half = task.seconds_left / 2
    model = _tune(task, half)
    # An answer to fall back on, should the refit be killed.
    task.answer(model.predict, "lightgbm")
    params = model.get_params() | {"n_estimators": model.best_iteration_ or MAX_TREES}
    refit = LGBMClassifier(**params)
    refit.fit(task.X_train, task.y_train, callbacks=[_stop_when(lambda: task.seconds_left <= 0)])
    task.answer(refit.predict, "lightgbm")


def _tune(task: Task, seconds_left_after: float) -> LGBMClassifier:
    """Return the model that was best on the rows held out."""
    X, X_held_out, y, y_held_out = train_test_split(
        task.X_train, task.y_train, test_size=0.1, stratify=task.y_train, random_state=SEED
    )
    X, y = X[:TUNING_ROWS], y[:TUNING_ROWS]
    best: dict[str, Any] = {"accuracy": -1.0}

    def time_is_over() -> bool:
        return task.seconds_left <= seconds_left_after

    def objective(trial: optuna.Trial) -> float:
        model = LGBMClassifier(
            n_estimators=MAX_TREES,
            learning_rate=trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
            num_leaves=trial.suggest_int("num_leaves", 7, 127, log=True),
            min_child_samples=trial.suggest_int("min_child_samples", 5, 100, log=True),
            colsample_bytree=trial.suggest_float("colsample_bytree", 0.1, 1.0),
            subsample=trial.suggest_float("subsample", 0.5, 1.0),
            subsample_freq=1,
            reg_lambda=trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
            n_jobs=task.cores,
            random_state=SEED,
            verbose=-1,
        )
        model.fit(
            X,
            y,
            eval_set=[(X_held_out, y_held_out)],
            callbacks=[early_stopping(PATIENCE, verbose=False), _stop_when(time_is_over)],
        )
        accuracy = float(model.score(X_held_out, y_held_out))
        if accuracy > best["accuracy"]:
            best.update(accuracy=accuracy, model=model)
        return accuracy

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED))
    study.optimize(objective, timeout=task.seconds_left - seconds_left_after)
    return best["model"]


def _stop_when(is_over: Callable[[], bool]) -> Callable[[CallbackEnv], None]:
    """A callback that ends the boosting; the trees so far are kept."""

    def stop(environment: CallbackEnv) -> None:
        if is_over():
            raise EarlyStopException(environment.iteration, environment.evaluation_result_list)

    return stop


if __name__ == "__main__":
    main()
