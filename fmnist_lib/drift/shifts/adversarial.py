"""Adversarial images against a linear surrogate of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    Rng = np.random.Generator

_FIT_ROWS = 2000
_RIDGE = 1e3


def adversarial(images: np.ndarray, classes: np.ndarray, severity: float, rng: Rng) -> np.ndarray:
    """Take one step of the fast gradient sign method against a linear classifier.

    The surrogate is a ridge regression of the classes on raw pixels. Every pixel changes by
    `severity` grey levels in the direction that favours the runner-up class over the own one.

    References
    ----------
    Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015.
    """
    from sklearn.linear_model import Ridge

    flat = images.reshape(len(images), -1).astype(np.float32)
    rows = rng.permutation(len(images))[:_FIT_ROWS]
    present = np.unique(classes)
    targets = (classes[:, None] == present).astype(np.float32)
    surrogate = Ridge(alpha=_RIDGE).fit(flat[rows] / 255, targets[rows])
    scores = surrogate.predict(flat / 255).reshape(len(images), -1)
    own = targets.argmax(axis=1)
    scores[np.arange(len(images)), own] = -np.inf
    weights = surrogate.coef_.reshape(len(present), -1)
    direction = np.sign(weights[scores.argmax(axis=1)] - weights[own])
    perturbed = flat + np.float32(severity) * direction
    return np.rint(perturbed).clip(0, 255).astype(np.uint8).reshape(images.shape)
