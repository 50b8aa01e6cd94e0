"""Pipelines from plain hyper-parameters: features, scaling, classifier.

The parameters are a flat dict of plain values, so that they can be logged, compared and turned
into the same pipeline again.
"""

from __future__ import annotations

from typing import Any

from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler

from fmnist_lib.features.gradients import OrientedGradients
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.features.scaling import OverallScaler

Params = dict[str, Any]


def build_pipeline(params: Params, seed: int) -> Pipeline:
    """Return the unfitted pipeline that the parameters describe.

    Parameters
    ----------
    params : dict
        As suggested by `fmnist_lib.search.space.suggest`.
    seed : int
        Random state of every random step.

    Returns
    -------
    Pipeline
        Steps ``features``, ``scale`` and ``classify``; takes uint8 images of shape (n, 28, 28)
        or (n, 784).
    """
    blocks = feature_blocks(params)
    features = FeatureUnion(
        [
            (name, Pipeline([("extract", extractor), ("reduce", reducer(components, seed))]))
            for name, (extractor, components) in blocks.items()
        ],
        transformer_weights={name: block_weight(name, params) for name in blocks},
    )
    return Pipeline([("features", features), *tail_steps(params, seed)])


def feature_blocks(params: Params) -> dict[str, tuple[Any, int]]:
    """Extractor and number of principal components of every feature block."""
    blocks = {}
    if params["features"] in ("pixels", "both"):
        extractor = Pixels(normalise=params["normalise"])
        blocks["pixels"] = (extractor, params["pixel_components"])
    if params["features"] in ("gradients", "both"):
        blocks["gradients"] = (
            OrientedGradients(cells=params["cells"]),
            params["gradient_components"],
        )
    return blocks


def block_weight(name: str, params: Params) -> float:
    """Factor of a feature block beside the gradients, which have 1."""
    return float(params.get("pixel_weight", 1.0)) if name == "pixels" else 1.0


def reducer(components: int, seed: int) -> PCA:
    """Principal components from the covariance matrix: exact, float32, no copy of the data."""
    return PCA(components, svd_solver="covariance_eigh", random_state=seed)


def tail_steps(params: Params, seed: int) -> list[tuple[str, Any]]:
    """Scaling and classifier: the steps after the features."""
    scaler = StandardScaler() if params["scale"] == "columns" else OverallScaler()
    return [("scale", scaler), ("classify", _classifier(params, seed))]


def _classifier(params: Params, seed: int) -> Any:
    build = {
        "logistic": _logistic,
        "kernel": _kernel,
        "boosting": _boosting,
        "trees": _trees,
        "neural": _neural,
    }
    return build[params["family"]](params, seed)


def _logistic(params: Params, seed: int) -> Any:
    return LogisticRegression(C=params["C"], max_iter=200, random_state=seed)


def _kernel(params: Params, seed: int) -> Any:
    n_columns = sum(components for _, components in feature_blocks(params).values())
    return Pipeline(
        [
            (
                "kernel",
                Nystroem(
                    # The columns have mean variance 1, so n_columns is half the mean squared
                    # distance between two images: `width` is free of the number of columns.
                    gamma=1 / (params["width"] * 2 * n_columns),
                    n_components=params["landmarks"],
                    random_state=seed,
                ),
            ),
            ("logistic", LogisticRegression(C=params["C"], max_iter=200, random_state=seed)),
        ]
    )


def _boosting(params: Params, seed: int) -> Any:
    return HistGradientBoostingClassifier(
        learning_rate=params["learning_rate"],
        max_iter=params["iterations"],
        max_leaf_nodes=params["leaves"],
        l2_regularization=params["l2"],
        early_stopping=False,
        random_state=seed,
    )


def _trees(params: Params, seed: int) -> Any:
    return ExtraTreesClassifier(
        n_estimators=params["n_trees"],
        min_samples_leaf=params["leaf_samples"],
        max_features=params["tree_features"],
        random_state=seed,
    )


def _neural(params: Params, seed: int) -> Any:
    return MLPClassifier(
        hidden_layer_sizes=(params["hidden"],) * params["layers"],
        learning_rate_init=params["learning_rate"],
        alpha=params["l2"],
        batch_size=params["batch"],
        max_iter=params["epochs"],
        random_state=seed,
    )


def describe(params: Params) -> str:
    """Say in a few words what a pipeline is made of."""
    blocks = " + ".join(
        f"{components} {name.removesuffix('s')} components"
        for name, (_, components) in feature_blocks(params).items()
    )
    size = {
        "logistic": "logistic regression",
        "kernel": f"Nystroem kernel with {params.get('landmarks')} landmarks",
        "boosting": f"gradient boosting, {params.get('iterations')} iterations",
        "trees": f"extra trees, {params.get('n_trees')} trees",
        "neural": f"neural network, {params.get('layers')} x {params.get('hidden')} units",
    }
    return f"{blocks}, {size[params['family']]}"
