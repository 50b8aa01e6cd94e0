"""The search space of the TPOT engine."""

from __future__ import annotations

from typing import Any

from fmnist_lib.models.kernel import KernelClassifier

#: Classifiers of TPOT's own that a pipeline may end with: those that give probabilities and can be
#: refitted on fifty thousand rows in minutes (SVC, GaussianProcess and exact boosting cannot).
CLASSIFIERS = (
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
    "ExtraTreesClassifier",
    "MLPClassifier",
    "LGBMClassifier",
)
SCALERS = ("StandardScaler", "Normalizer", "Passthrough")
TRANSFORMERS = ("Nystroem", "PCA", "Passthrough")


def search_space(n_samples: int, n_features: int, seed: int) -> Any:
    """Return TPOT's space of pipelines: a scaler, a transformer and a classifier.

    Parameters
    ----------
    n_samples, n_features : int
        Of the data that pipelines are fitted on.
    seed : int
        Random state of every step.
    """
    from ConfigSpace import ConfigurationSpace, Float, Integer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from tpot.config import get_search_space
    from tpot.search_spaces.nodes import EstimatorNode
    from tpot.search_spaces.pipelines import ChoicePipeline, SequentialPipeline

    sizes = {
        "n_classes": 10,
        "n_samples": n_samples,
        "n_features": n_features,
        "random_state": seed,
    }
    before = [get_search_space(list(names), **sizes) for names in (SCALERS, TRANSFORMERS)]
    kernel = ConfigurationSpace(
        {
            "width": Float("width", (0.3, 3.0), log=True),
            "ridge": Float("ridge", (0.005, 0.5), log=True),
            "random_state": seed,
        }
    )
    # TPOT's own spaces have other distances than the Euclidean one, and a thousand passes of SAGA:
    # minutes for ten thousand rows, in compiled code that no limit of TPOT's ends.
    logistic = ConfigurationSpace(
        {"C": Float("C", (1e-3, 1e2), log=True), "max_iter": 300, "random_state": seed}
    )
    neighbours = ConfigurationSpace(
        {
            "n_neighbors": Integer("n_neighbors", (1, 100), log=True),
            "weights": ["uniform", "distance"],
        }
    )
    learners = ChoicePipeline(
        [
            get_search_space(list(CLASSIFIERS), **sizes),
            EstimatorNode(method=LogisticRegression, space=logistic),
            EstimatorNode(method=KNeighborsClassifier, space=neighbours),
            EstimatorNode(method=KernelClassifier, space=kernel),
        ]
    )
    return SequentialPipeline([*before, learners])
