"""Robustness of maps: another background, and a change of every pixel by one grey level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.explain.similarity import Agreement, rank_correlation

if TYPE_CHECKING:
    from collections.abc import Callable

_WHITE = 255


@dataclass(frozen=True)
class Robustness:
    """Change of the maps where they should not change.

    Attributes
    ----------
    seeds : Agreement
        With the maps of another seed: the only thing drawn is the background, so that they have
        other background images.
    noise : Agreement
        With the maps of the images with every pixel one grey level up or down at random.
    max_sensitivity : float or None
        Largest norm of the change by that noise, relative to the map's; None if all are zero.
    """

    seeds: Agreement
    noise: Agreement
    max_sensitivity: float | None


def robustness(
    maps: np.ndarray,
    of_seed: np.ndarray,
    of_images: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    seed: int,
) -> Robustness:
    """Compare maps with those of another seed, and of almost the same images.

    Parameters
    ----------
    maps, of_seed : ndarray of shape (n, 28, 28)
    of_images : callable
        Images to their maps, otherwise as `maps`.
    images : ndarray of shape (n, 28, 28), uint8
    seed : int

    References
    ----------
    Yeh, Hsieh, Suggala, Inouye and Ravikumar, "On the (In)fidelity and Sensitivity of
    Explanations", NeurIPS 2019 (max-sensitivity, here of one random change per image).
    """
    rng = np.random.default_rng(seed)
    step = rng.choice((-1, 1), images.shape)
    moved = of_images(np.clip(images.astype(np.int16) + step, 0, _WHITE).astype(np.uint8))
    norms = np.linalg.norm(maps.reshape(len(maps), -1), axis=1)
    changes = np.linalg.norm((moved - maps).reshape(len(maps), -1), axis=1)[norms > 0]
    largest = float((changes / norms[norms > 0]).max()) if len(changes) else None
    return Robustness(rank_correlation(maps, of_seed), rank_correlation(maps, moved), largest)
