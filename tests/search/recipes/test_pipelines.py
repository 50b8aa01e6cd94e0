from __future__ import annotations

import pickle

import numpy as np
import optuna
import pytest
from sklearn.base import clone

from fmnist_lib.config.search import OptunaCandidate, SearchConfig
from fmnist_lib.search.engines.search_space import starting_points, suggest
from fmnist_lib.search.recipes.column_cache import ColumnStore
from fmnist_lib.search.recipes.pipelines import describe, make_recipe, patch_sizes

FAMILIES = ("logistic", "kernel", "boosting", "trees", "neural")


def drawn(family, features, seed=0, **values):
    candidate = OptunaCandidate(
        id="a", engine="optuna", families=(family,), features=(features,), **values
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    params = suggest(study.ask(), candidate, ("5",))
    # The smallest of everything: this is about what comes out, not how good it is.
    small = {"epochs": 3, "landmarks": 100, "iterations": 5, "n_trees": 10}
    small |= {name: 30 for name in params if name.endswith("_components")}
    return params | {name: value for name, value in small.items() if name in params}


@pytest.mark.parametrize("features", ["pixels", "gradients", "patches+gradients"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_family_learns_from_raw_images_whatever_their_shape(family, features, data, cache):
    params = drawn(family, features)
    recipe, store = make_recipe(params, seed=1), ColumnStore(cache, data, seed=1)
    learner = recipe.fit_learner(store, data, data.fit_rows(1000))
    pipeline = recipe.pipeline(store, learner)
    images, labels = (array[data.validation_rows][:400] for array in (data.images, data.labels))
    probabilities = pipeline.predict_proba(images)
    assert probabilities.shape == (400, 10)
    assert pipeline.score(images, labels) > 0.4
    flat = pipeline.predict_proba(images.reshape(400, 784))
    assert (flat == probabilities).all()
    assert "components" in describe(params)


def test_a_pipeline_can_be_fitted_again_on_other_images(data, cache):
    recipe = make_recipe(drawn("kernel", "gradients"), seed=4)
    store = ColumnStore(cache, data, seed=1)
    pipeline = recipe.pipeline(store, recipe.fit_learner(store, data, data.fit_rows(500)))
    images, labels = data.images[:800], data.labels[:800]
    first, second = (clone(pipeline).fit(images, labels) for _ in range(2))
    assert (first.predict_proba(images) == second.predict_proba(images)).all()
    assert first.score(images, labels) > 0.8


def test_a_mirrored_image_gets_the_same_answer(data, cache):
    recipe = make_recipe(drawn("kernel", "patches+gradients"), seed=4)
    store = ColumnStore(cache, data, seed=1)
    pipeline = recipe.pipeline(store, recipe.fit_learner(store, data, data.fit_rows(500)))
    images = data.images[:100]
    np.testing.assert_allclose(
        pipeline.predict_proba(images), pipeline.predict_proba(images[:, :, ::-1]), atol=1e-3
    )


def test_the_space_is_conditional():
    params = drawn("boosting", "pixels")
    assert "learning_rate" in params
    assert not {"gradients_components", "landmarks", "epochs"} & set(params)


def test_a_compact_candidate_stays_small():
    for seed in range(20):
        params = drawn("kernel", "gradients", seed, compact=True)
        assert params["landmarks"] is not None


def test_a_compact_candidate_starts_from_a_point_of_its_space():
    candidate = OptunaCandidate(
        id="small",
        engine="optuna",
        families=["kernel"],
        features=["patches+gradients"],
        compact=True,
    )
    (point,) = starting_points(candidate, ("5", "3+5+7"))
    study = optuna.create_study()
    study.enqueue_trial(point)
    params = suggest(study.ask(), candidate, ("5", "3+5+7"))
    assert params["patch_sizes"] == "5"
    assert {name: params[name] for name in ("landmarks", "width", "ridge")} == {
        name: point[name] for name in ("landmarks", "width", "ridge")
    }
    assert params["patches_components"] == point["patches_components"]


def test_the_size_of_a_kernel_is_known_before_it_is_fitted(data, cache):
    params = drawn("kernel", "gradients") | {"gradients_components": 100}
    store = ColumnStore(cache, data, seed=0)
    recipe = make_recipe(params, seed=0)
    learner = recipe.fit_learner(store, data, slice(0, data.n_train))
    size = len(pickle.dumps(recipe.pipeline(store, learner))) / 1e6
    assert recipe.megabytes(store, data.n_train) == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize(
    ("minutes", "sizes"), [(1.0, ()), (3.0, ("3+5+7",)), (20.0, ("5", "3+5+7"))]
)
def test_a_choice_of_patch_sizes_takes_more_minutes(minutes, sizes):
    candidate = OptunaCandidate(id="a", engine="optuna", families=("logistic",))
    assert patch_sizes(SearchConfig(minutes=minutes, candidates=[candidate])) == sizes
