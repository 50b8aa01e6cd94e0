"""Recipes from plain hyper-parameters: feature blocks and a learner.

The parameters are a flat dict of plain values, so that they can be logged, compared and turned
into the same pipeline again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from fmnist_lib.common.formatting import percent
from fmnist_lib.features.gradients import OrientedGradients
from fmnist_lib.features.patch_scales import PatchScales
from fmnist_lib.features.patches import PatchDictionary
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.features.scaling import OverallScaler
from fmnist_lib.models.kernel import KernelClassifier
from fmnist_lib.search.recipes.recipe import Block, Recipe

if TYPE_CHECKING:
    from fmnist_lib.config.search import SearchConfig

Params = dict[str, Any]

#: Fit time grows with the rows to about this power: a kernel's, on the hardest half of them, to
#: 1.35 from 11,000 to 45,000 rows, and to 1.6 from there to 60,000.
_GROWTH = {"kernel": 1.6, "logistic": 1.0, "boosting": 1.0, "trees": 1.1, "neural": 1.0}

#: Patch dictionaries by the minutes: there is time for none, for one of several sizes (25 s), and
#: for one of a single size as well (12 s), for small models.
_PATCH_SIZES = {0.0: (), 2.0: ("3+5+7",), 10.0: ("5", "3+5+7")}


def make_recipe(params: Params, seed: int, memory_gib: float = 4.0) -> Recipe:
    """Return the recipe that the parameters describe.

    Parameters
    ----------
    params : dict
        As suggested by `fmnist_lib.search.engines.search_space.suggest`.
    seed : int
        Random state of every random step.
    memory_gib : float
        Bound of a kernel's storage in GiB.
    """
    learner = _LEARNERS[params["family"]](params, seed)
    if isinstance(learner, KernelClassifier):
        learner.set_params(memory_gib=memory_gib)
    return Recipe(blocks=feature_blocks(params), learner=learner)


def growth(params: Params) -> float:
    """Power of the number of rows that the fit time of a recipe grows with."""
    # On landmarks a kernel grows with the rows as other learners do.
    return 1.0 if params.get("landmarks") else _GROWTH[params["family"]]


def shared_extractors(patch_sizes: tuple[str, ...]) -> list[Any]:
    """Extractors whose columns are computed once, before the search, for every candidate.

    Parameters
    ----------
    patch_sizes : tuple of str
        Patch dictionaries that candidates may choose from, such as "5" and "3+5".
    """
    patches = [_patches({"patch_sizes": sizes}) for sizes in patch_sizes]
    return [*patches, _gradients({})]


def patch_sizes(config: SearchConfig) -> tuple[str, ...]:
    """Return the patch dictionaries that there is time for.

    A search in which every candidate is bounded by trials takes those of one size.
    """
    if config.is_bounded:
        return ("5",)
    return max((m, sizes) for m, sizes in _PATCH_SIZES.items() if m <= config.minutes)[1]


def feature_blocks(params: Params) -> tuple[Block, ...]:
    """Feature blocks of the parameters; the weights add up to 1."""
    kinds = params["features"].split("+")
    weights = dict.fromkeys(kinds, 1.0)
    if len(kinds) > 1:
        weights = {kinds[0]: 1 - params["second_weight"], kinds[1]: params["second_weight"]}
    blocks = []
    for kind in kinds:
        components = params[f"{kind}_components"]
        antisymmetric = round(params["antisymmetric_share"] * components)
        blocks.append(
            Block(
                name=f"patches_{params['patch_sizes']}" if kind == "patches" else kind,
                extractor=_EXTRACTORS[kind](params),
                symmetric=components - antisymmetric,
                antisymmetric=antisymmetric,
                whitening=params["whitening"],
                weight=weights[kind],
            )
        )
    return tuple(blocks)


def _patches(params: Params) -> PatchScales:
    sizes = tuple(int(size) for size in params["patch_sizes"].split("+"))
    # As accurate as any other that a search of 20 minutes tried.
    return PatchScales(PatchDictionary(atoms=50, threshold=0.1, contrast=0.01, cells=7), sizes)


def _gradients(params: Params) -> OrientedGradients:  # noqa: ARG001 (one signature for all)
    return OrientedGradients(cells=(9, 7, 4), orientations=8)


def _pixels(params: Params) -> Pixels:
    return Pixels(normalise=params["normalise"])


_EXTRACTORS = {"patches": _patches, "gradients": _gradients, "pixels": _pixels}


def _kernel(params: Params, seed: int) -> Any:
    return KernelClassifier(
        width=params["width"],
        ridge=params["ridge"],
        # True: which columns change sign in a mirrored image is filled in with the features.
        antisymmetric=True,
        landmarks=params["landmarks"],
        hardest_share=params["hardest_share"],
        random_state=seed,
    )


def _scaled(learner: Any) -> Pipeline:
    """Give the columns a mean variance of 1 first."""
    return Pipeline([("scale", OverallScaler()), ("learn", learner)])


def _logistic(params: Params, seed: int) -> Any:
    return _scaled(LogisticRegression(C=params["C"], max_iter=200, random_state=seed))


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
    return _scaled(
        MLPClassifier(
            hidden_layer_sizes=(params["hidden"],) * params["layers"],
            learning_rate_init=params["learning_rate"],
            alpha=params["l2"],
            batch_size=params["batch"],
            max_iter=params["epochs"],
            random_state=seed,
        )
    )


_LEARNERS = {
    "logistic": _logistic,
    "kernel": _kernel,
    "boosting": _boosting,
    "trees": _trees,
    "neural": _neural,
}


def describe(params: Params) -> str:
    """Say in a few words what a pipeline is made of."""
    blocks = " + ".join(
        f"{block.symmetric + block.antisymmetric} {block.name.replace('_', ' ')}"
        for block in feature_blocks(params)
    )
    return f"{blocks} components, {_SIZES[params['family']](params)}"


def _kernel_size(params: Params) -> str:
    rows = f"the hardest {percent(params['hardest_share'], 0)} of the images"
    if params["landmarks"]:
        rows = f"{params['landmarks']} landmarks of {rows}"
    return f"mirror-invariant Gaussian kernel on {rows}"


_SIZES = {
    "logistic": lambda _: "logistic regression",
    "kernel": _kernel_size,
    "boosting": lambda params: f"gradient boosting, {params['iterations']} iterations",
    "trees": lambda params: f"extra trees, {params['n_trees']} trees",
    "neural": lambda params: f"neural network, {params['layers']} x {params['hidden']} units",
}
