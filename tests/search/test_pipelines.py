from __future__ import annotations

import numpy as np
import optuna
import pytest
from sklearn.base import clone

from fmnist_lib.config import OptunaCandidate
from fmnist_lib.search.pipelines import build_pipeline, describe
from fmnist_lib.search.space import suggest

FAMILIES = ("logistic", "kernel", "boosting", "trees", "neural")


def drawn(family, features, seed=0):
    candidate = OptunaCandidate(id="a", engine="optuna", families=(family,), features=(features,))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    params = suggest(study.ask(), candidate)
    # The smallest of everything: this is about what comes out, not how good it is.
    small = {"epochs": 3, "landmarks": 100, "iterations": 5, "n_trees": 10}
    small |= {"pixel_components": 20, "gradient_components": 30}
    return params | {name: value for name, value in small.items() if name in params}


@pytest.mark.parametrize("features", ["pixels", "gradients", "both"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_family_learns_from_raw_images_whatever_their_shape(family, features, data):
    params = drawn(family, features)
    pipeline = build_pipeline(params, seed=1).fit(
        data.train_images[:1000], data.train_labels[:1000]
    )
    images = data.validation_images[:400]
    probabilities = pipeline.predict_proba(images)
    assert probabilities.shape == (400, 10)
    assert pipeline.score(images, data.validation_labels[:400]) > 0.4
    flat = pipeline.predict_proba(images.reshape(400, 784))
    assert (flat == probabilities).all()
    assert "components" in describe(params)


def test_the_same_parameters_and_seed_give_the_same_pipeline(data):
    params = drawn("trees", "both")
    first, second = (
        clone(build_pipeline(params, seed=4)).fit(data.train_images[:500], data.train_labels[:500])
        for _ in range(2)
    )
    images = data.validation_images[:100]
    assert (first.predict_proba(images) == second.predict_proba(images)).all()


def test_the_space_is_conditional():
    params = drawn("boosting", "pixels")
    assert "learning_rate" in params
    assert not {"gradient_components", "cells", "landmarks", "epochs"} & set(params)


@pytest.mark.parametrize("features", ["pixels", "gradients", "both"])
def test_columns_stay_float32_up_to_the_classifier(features, data):
    pipeline = build_pipeline(drawn("logistic", features), seed=1)
    columns = pipeline[:-1].fit_transform(data.train_images[:500])
    assert columns.dtype == np.float32
