"""Run all tests of an explanation's maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmnist_lib.explain.attribution import attribute, mean_image, values_of_class
from fmnist_lib.explain.faithfulness import faithfulness_test
from fmnist_lib.explain.randomisation import randomisation
from fmnist_lib.explain.result import Scores
from fmnist_lib.explain.robustness import robustness
from fmnist_lib.explain.similarity import gini_index

if TYPE_CHECKING:
    from fmnist_lib.explain.attribution import Attribution

#: Share of the images that are explained again, three times, and their smallest number.
_RETESTED, _MIN_RETESTED = 1 / 3, 3


class Explained(NamedTuple):
    """Images of shape (n, 28, 28), their labels, predicted classes, and SHAP values."""

    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    attribution: Attribution


def score_maps(
    model: Any,
    explained: Explained,
    background: np.ndarray,
    train_images: np.ndarray,
    evaluations: int,
    *,
    seed: int,
) -> Scores:
    """Test faithfulness, robustness, randomisation and complexity.

    Parameters
    ----------
    model : fitted Pipeline
    explained : Explained
    background : ndarray of shape (n_background, 28, 28), uint8
    train_images : ndarray of shape (n_train, 28, 28), uint8
        The background of another seed is drawn from these.
    evaluations : int
        See `fmnist_lib.explain.attribution.attribute`.
    seed : int
    """
    images, labels, predictions, attribution = explained
    maps = values_of_class(attribution.shap_values, predictions)
    # Spread over the sample, which is ordered by class.
    n_retested = max(round(_RETESTED * len(images)), min(_MIN_RETESTED, len(images)))
    some = np.linspace(0, len(images) - 1, n_retested).astype(int)
    classes = predictions[some]
    drawn = np.random.default_rng((seed, 1)).permutation(len(train_images))[: len(background)]

    def again(
        explain: Any = model, of: np.ndarray = images[some], hidden: np.ndarray = background
    ) -> np.ndarray:
        return attribute(explain, of, hidden, evaluations).shap_values

    return Scores(
        faithfulness=faithfulness_test(
            model.predict_proba, images, maps, labels, mean_image(background), seed
        ),
        robustness=robustness(
            maps[some],
            values_of_class(again(hidden=train_images[drawn]), classes),
            lambda moved: values_of_class(again(of=moved), classes),
            images[some],
            seed,
        ),
        randomisation=randomisation(
            model, again, attribution.shap_values[some], classes, train_images, seed=seed
        ),
        gini=gini_index(maps),
        zero_maps=int((~maps.any(axis=(1, 2))).sum()),
        n_retested=len(some),
    )
