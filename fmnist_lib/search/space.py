"""The search space of the Optuna engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Trial

    from fmnist_lib.config import OptunaCandidate

#: Most principal components a trial may ask of one feature block: no more than the smallest
#: block, gradients over 4 x 4 cells, has columns (288).
MAX_COMPONENTS = 280


def suggest(trial: Trial, candidate: OptunaCandidate) -> dict[str, Any]:
    """Draw the parameters of one pipeline.

    The space is conditional: a family's own parameters exist only where that family was drawn.

    Returns
    -------
    dict
        Plain values, as `fmnist_lib.search.pipelines.build_pipeline` takes them.
    """
    family = _choice(trial, "family", candidate.families)
    features = _choice(trial, "features", candidate.features)
    # Gradient boosting sorts every column: it gets fewer of them.
    most = 100 if family == "boosting" else MAX_COMPONENTS
    params = {"family": family, "features": features}
    if features in ("pixels", "both"):
        params["normalise"] = _choice(trial, "normalise", ("none", "contrast", "length"))
        params["pixel_components"] = trial.suggest_int("pixel_components", 20, most, log=True)
    if features in ("gradients", "both"):
        params["cells"] = _choice(trial, "cells", (4, 7))
        params["gradient_components"] = trial.suggest_int("gradient_components", 30, most, log=True)
    # A kernel depends on the columns' relative sizes, so scaling each to variance 1 is a choice.
    params["scale"] = _choice(trial, "scale", ("columns", "overall"))
    if features == "both" and params["scale"] == "overall":
        params["pixel_weight"] = trial.suggest_float("pixel_weight", 0.1, 2.0, log=True)
    return params | _FAMILIES[family](trial)


def _choice(trial: Trial, name: str, options: tuple[Any, ...]) -> Any:
    """A categorical parameter; a single option is no parameter."""
    return options[0] if len(options) == 1 else trial.suggest_categorical(name, options)


def _logistic(trial: Trial) -> dict[str, Any]:
    return {"C": trial.suggest_float("logistic_C", 1e-3, 10, log=True)}


def _kernel(trial: Trial) -> dict[str, Any]:
    return {
        "landmarks": trial.suggest_int("landmarks", 400, 2000, log=True),
        "width": trial.suggest_float("width", 0.1, 2, log=True),
        "C": trial.suggest_float("kernel_C", 1, 1e4, log=True),
    }


def _boosting(trial: Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("boosting_learning_rate", 0.05, 0.4, log=True),
        "iterations": trial.suggest_int("iterations", 30, 120, log=True),
        "leaves": trial.suggest_int("leaves", 7, 63, log=True),
        "l2": trial.suggest_float("boosting_l2", 1e-3, 10, log=True),
    }


def _trees(trial: Trial) -> dict[str, Any]:
    return {
        "n_trees": trial.suggest_int("n_trees", 50, 150),
        # Leaves of one image would make a model of hundreds of megabytes.
        "leaf_samples": trial.suggest_int("leaf_samples", 2, 10),
        "tree_features": trial.suggest_float("tree_features", 0.05, 0.4, log=True),
    }


def _neural(trial: Trial) -> dict[str, Any]:
    return {
        "hidden": trial.suggest_int("hidden", 64, 512, log=True),
        "layers": trial.suggest_int("layers", 1, 2),
        "learning_rate": trial.suggest_float("neural_learning_rate", 3e-4, 5e-3, log=True),
        "l2": trial.suggest_float("neural_l2", 1e-6, 1e-1, log=True),
        "batch": trial.suggest_categorical("batch", [128, 256, 512]),
        "epochs": trial.suggest_int("epochs", 8, 30),
    }


_FAMILIES = {
    "logistic": _logistic,
    "kernel": _kernel,
    "boosting": _boosting,
    "trees": _trees,
    "neural": _neural,
}
