"""Baselines that the candidates are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from fmnist_lib.search.engines.job import Found
from fmnist_lib.search.recipes.recipe import Recipe

if TYPE_CHECKING:
    from fmnist_lib.config.search import BaselineCandidate


def baseline(candidate: BaselineCandidate, seed: int) -> Found:
    """Return the unfitted baseline: the most frequent class, or logistic regression on pixels."""
    if candidate.strategy == "majority":
        classifier = DummyClassifier(strategy="prior")
        description = "always the most frequent class"
    else:
        # More iterations fit the training images better and the validation images worse.
        classifier = LogisticRegression(max_iter=60, random_state=seed)
        description = "logistic regression on raw pixels"
    return Found(
        recipe=Recipe(blocks=(), learner=classifier),
        params={"strategy": candidate.strategy},
        trials=pd.DataFrame(columns=["number", "state", "value", "seconds", "reason"]),
        description=description,
    )
