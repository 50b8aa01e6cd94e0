"""Localisation of a planted patch of 4 x 4 pixels that alone decides the class.

python benchmarks/planted_patch.py [RUN_ID]

Fashion-MNIST images of all classes get new labels: each of ten places is a class, and a white
square of 4 x 4 pixels in it the only sign of it. The winner's last step is fitted on 8,000
such training images, and 100 test images are explained. Found: the 16 pixels of the patch
are among the 39 pixels (5 %) with the largest values for the predicted class.
"""

from __future__ import annotations

import argparse

import attributions
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from fmnist_lib.common.labels import IMAGE_SHAPE, N_CLASSES, N_PIXELS
from fmnist_lib.common.statistics import wilson
from fmnist_lib.config.training import ExplainConfig
from fmnist_lib.explain.affine import flat_steps
from fmnist_lib.explain.attribution import attribute, values_of_class
from fmnist_lib.explain.faithfulness import FRACTIONS

N_FITTED, N_EXPLAINED, SIDE, WHITE = 8000, 100, 4, 255
TOP = round(FRACTIONS[1] * N_PIXELS)


def main() -> None:
    """Fit, explain, and print the shares of images in which the patch is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", help="id; default: the latest successful one")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    winner, dataset = attributions.winner_and_data(options.run)
    places = draw_places(rng)
    train, labels, _ = plant(dataset.train.images[:N_FITTED], places, rng)
    images, truth, patches = plant(dataset.test.images[:N_EXPLAINED], places, rng)
    *transformers, learner = flat_steps(winner)
    features = make_pipeline(*transformers).transform(train)
    model = make_pipeline(*transformers, clone(learner).fit(features, labels))
    config = ExplainConfig()
    background = train[: config.background_rows]
    found = attribute(model, images, background, config.evaluations)
    predictions = model.predict_proba(images).argmax(axis=1)
    maps = values_of_class(found.shap_values, predictions).reshape(len(images), -1)
    ranks = (-maps).argsort(axis=1).argsort(axis=1)
    inside = (ranks < TOP).reshape(images.shape) & patches
    pixels = inside.sum(axis=(1, 2))
    highest = patches.reshape(len(images), -1)[np.arange(len(images)), maps.argmax(axis=1)]
    print(f"accuracy on the planted test images {(predictions == truth).mean():.2f}")
    for name, hits in (
        ("all 16 pixels in the top 5 %", pixels == SIDE**2),
        ("at least 12 of 16 pixels in the top 5 %", pixels >= SIDE**2 * 3 / 4),
        ("at least half of the pixels in the top 5 %", pixels >= SIDE**2 / 2),
        ("the pixel with the largest value is one of the patch", highest),
    ):
        print(f"{name}: {wilson(int(hits.sum()), len(images))}")
    print(f"pixels of the patch in the top 5 %, mean: {pixels.mean():.1f} of {SIDE**2}")


def draw_places(rng: np.random.Generator) -> np.ndarray:
    """Return ten places in the left half, as the model is invariant under mirroring."""
    tops = [0, 6, 12, 18, 24]
    places = [(top, left) for top in tops for left in (1, 8)]
    return np.array(places) + rng.integers(0, 2, (N_CLASSES, 2)) * [[0, 1]]


def plant(
    images: np.ndarray, places: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images with a patch, its class, and a mask of its pixels."""
    labels = rng.integers(0, N_CLASSES, len(images))
    planted, masks = images.copy(), np.zeros((len(images), *IMAGE_SHAPE), dtype=bool)
    for row, (top, left) in enumerate(places[labels]):
        window = slice(top, top + SIDE), slice(left, left + SIDE)
        planted[row][window] = WHITE
        masks[row][window] = True
    return planted, labels, masks


if __name__ == "__main__":
    main()
