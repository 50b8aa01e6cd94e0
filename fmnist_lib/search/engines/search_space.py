"""The search space of the Optuna engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.search.recipes.column_cache import MAX_ANTISYMMETRIC, MAX_SYMMETRIC

if TYPE_CHECKING:
    from optuna import Trial

    from fmnist_lib.config.search import OptunaCandidate

#: Most components of one block at the most even share of antisymmetric ones.
MAX_COMPONENTS = MAX_SYMMETRIC + MAX_ANTISYMMETRIC
#: Most components of a block, and landmarks, of a compact candidate.
_COMPACT_COMPONENTS, _COMPACT_LANDMARKS = 200, 4000


def suggest(
    trial: Trial, candidate: OptunaCandidate, patch_sizes: tuple[str, ...]
) -> dict[str, Any]:
    """Draw the parameters of one recipe.

    The space is conditional: a family's own parameters exist only where that family was drawn.

    Parameters
    ----------
    trial : optuna.Trial
    candidate : OptunaCandidate
    patch_sizes : tuple of str
        Sizes of patch dictionaries to choose from, such as "5" and "3+5".

    Returns
    -------
    dict
        Plain values, as `fmnist_lib.search.recipes.pipelines.make_recipe` takes them.
    """
    family = _choice(trial, "family", candidate.families)
    features = available(_choice(trial, "features", candidate.features), patch_sizes)
    params = {"family": family, "features": features}
    least, most = _components(family, candidate)
    kinds = features.split("+")
    for kind in kinds:
        params[f"{kind}_components"] = trial.suggest_int(f"{kind}_components", least, most)
    if len(kinds) > 1:
        params["second_weight"] = trial.suggest_float("second_weight", 0.15, 0.6)
    params["antisymmetric_share"] = trial.suggest_float("antisymmetric_share", 0.3, 0.45)
    params["whitening"] = trial.suggest_float("whitening", 0.2, 0.9)
    if "patches" in kinds:
        params["patch_sizes"] = _choice(trial, "patch_sizes", _sizes(candidate, patch_sizes))
    if "pixels" in kinds:
        params["normalise"] = _choice(trial, "normalise", ("none", "contrast", "length"))
    return params | _FAMILIES[family](trial, candidate)


def available(features: str, patch_sizes: tuple[str, ...]) -> str:
    """Leave out patches where there was no time to compute them.

    Parameters
    ----------
    features : str
        Kinds of features such as "patches+gradients".
    patch_sizes : tuple of str
    """
    kinds = [kind for kind in features.split("+") if kind != "patches" or patch_sizes]
    return "+".join(kinds) or "gradients"


def starting_points(
    candidate: OptunaCandidate, patch_sizes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Parameters worth trying first: what published work and earlier trials point to.

    Returns
    -------
    list of dict
        As `optuna.study.Study.enqueue_trial` takes them; what a point leaves open is drawn.
    """
    if "kernel" not in candidate.families:
        return []
    point = {
        "family": "kernel",
        "features": candidate.features[-1],
        "second_weight": 0.34,
        "patches_components": 750,
        "gradients_components": 400,
        "antisymmetric_share": 0.36,
        "whitening": 0.45,
        "width": 1.0,
        "ridge": 0.03,
        "hardest_share": 0.5,
    }
    if candidate.compact:
        point |= {
            "patches_components": 120,
            "gradients_components": 80 if patch_sizes else _COMPACT_COMPONENTS,
            "landmarks": _COMPACT_LANDMARKS,
            "hardest_share": 0.4,
        }
    sizes = _sizes(candidate, patch_sizes) or ("",)
    return [point | {"patch_sizes": size} for size in reversed(sizes)]


def _sizes(candidate: OptunaCandidate, patch_sizes: tuple[str, ...]) -> tuple[str, ...]:
    """Patch dictionaries a candidate chooses from; a compact one has the smallest."""
    return patch_sizes[:1] if candidate.compact else patch_sizes


def _components(family: str, candidate: OptunaCandidate) -> tuple[int, int]:
    """Fewest and most components of a block."""
    if candidate.compact:
        return 50, _COMPACT_COMPONENTS
    # Gradient boosting sorts every column: it gets fewer of them.
    if family == "boosting":
        return 50, 120
    # A kernel of all images gains by many columns, one of a few thousand does not: the first rungs
    # would choose too few.
    return (350 if family == "kernel" else 100), MAX_COMPONENTS


def _choice(trial: Trial, name: str, options: tuple[Any, ...]) -> Any:
    """A categorical parameter; a single option is no parameter."""
    return options[0] if len(options) == 1 else trial.suggest_categorical(name, options)


def _kernel(trial: Trial, candidate: OptunaCandidate) -> dict[str, Any]:
    return {
        "width": trial.suggest_float("width", 0.5, 2.0, log=True),
        "ridge": trial.suggest_float("ridge", 0.01, 0.2, log=True),
        "landmarks": trial.suggest_int("landmarks", 1000, _COMPACT_LANDMARKS, log=True)
        if candidate.compact
        else None,
        "hardest_share": trial.suggest_float("hardest_share", 0.3, 0.8),
    }


def _logistic(trial: Trial, candidate: OptunaCandidate) -> dict[str, Any]:  # noqa: ARG001
    return {"C": trial.suggest_float("logistic_C", 1e-3, 10, log=True)}


def _boosting(trial: Trial, candidate: OptunaCandidate) -> dict[str, Any]:  # noqa: ARG001
    return {
        "learning_rate": trial.suggest_float("boosting_learning_rate", 0.05, 0.4, log=True),
        "iterations": trial.suggest_int("iterations", 30, 120, log=True),
        "leaves": trial.suggest_int("leaves", 7, 63, log=True),
        "l2": trial.suggest_float("boosting_l2", 1e-3, 10, log=True),
    }


def _trees(trial: Trial, candidate: OptunaCandidate) -> dict[str, Any]:  # noqa: ARG001
    return {
        "n_trees": trial.suggest_int("n_trees", 50, 150),
        # Leaves of one image would make a model of hundreds of megabytes.
        "leaf_samples": trial.suggest_int("leaf_samples", 2, 10),
        "tree_features": trial.suggest_float("tree_features", 0.05, 0.4, log=True),
    }


def _neural(trial: Trial, candidate: OptunaCandidate) -> dict[str, Any]:  # noqa: ARG001
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
