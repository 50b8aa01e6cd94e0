from __future__ import annotations

import json

import numpy as np
import pytest

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.config.release import GatesConfig
from fmnist_lib.registry.gates import Measures, Rival, check_gates

GATES = GatesConfig(min_accuracy=0.8, min_accuracy_low=0.78, clean_git=True)
CLEAN = {"accuracy": 0.84, "git_commit": "0123abc"}


def failed(measures, rival=None, gates=GATES):
    return [gate.name for gate in check_gates(measures, gates, rival) if not gate.passed]


def test_a_good_model_passes_every_gate(make_measures):
    results = check_gates(make_measures(**CLEAN), GATES, None)
    assert all(gate.passed for gate in results)
    assert len({gate.name for gate in results}) == len(results) == 10


@pytest.mark.parametrize(
    ("change", "gates"),
    [
        ({"accuracy": 0.5}, ["accuracy", "accuracy-low"]),
        ({"accuracy": 0.8}, ["accuracy-low"]),
        ({"lowest_recall": 0.3}, ["every-class"]),
        ({"lowest_recall": float("nan")}, ["every-class"]),
        ({"calibration_error": 0.2}, ["calibration"]),
        ({"ms_per_image": 7.0}, ["latency"]),
        ({"model_mb": 151.0}, ["size"]),
        ({"origin": "synthetic"}, ["real-data"]),
        ({"unsafe": "types outside the trusted packages"}, ["loads-safely"]),
        ({"git_commit": "0123abc-dirty"}, ["clean-git"]),
        ({"git_commit": None}, ["clean-git"]),
    ],
)
def test_the_failed_gates_are_named(make_measures, change, gates):
    assert failed(make_measures(**(CLEAN | change))) == gates


def test_git_and_pickle_are_what_the_configuration_wants(make_measures):
    measures = make_measures(unsafe="a reason")
    assert failed(measures, gates=GatesConfig(min_accuracy=0.8, min_accuracy_low=0.78)) == [
        "loads-safely"
    ]
    lenient = GatesConfig(min_accuracy=0.8, min_accuracy_low=0.78, allow_pickle=True)
    assert failed(measures, gates=lenient) == []


@pytest.mark.parametrize(
    ("n_lost", "n_won", "worse"), [(0, 0, False), (30, 10, True), (12, 10, False), (0, 30, False)]
)
def test_only_a_significantly_worse_model_is_refused(make_measures, n_lost, n_won, worse):
    measures = make_measures(**CLEAN)
    theirs = measures.correct.copy()
    theirs[np.flatnonzero(~measures.correct)[:n_lost]] = True
    theirs[np.flatnonzero(measures.correct)[:n_won]] = False
    assert failed(measures, Rival("3", theirs)) == (["not-worse"] if worse else [])


def test_a_champion_that_could_not_be_evaluated_is_not_replaced(make_measures):
    results = check_gates(make_measures(**CLEAN), GATES, Rival("3", None, "other images"))
    (gate,) = (one for one in results if not one.passed)
    assert (gate.name, gate.explanation) == ("not-worse", "other images")


def test_measures_survive_as_tags(make_measures):
    measures = make_measures(n_images=9_999, git_commit="0123abc")
    tags = measures.as_tags()
    again = Measures.from_tags(json.loads(json.dumps(tags)), "m 1")
    np.testing.assert_array_equal(again.correct, measures.correct)
    assert again.as_tags() == tags
    # MLflow takes 100,000 characters per tag.
    assert max(map(len, tags.values())) < 2000


@pytest.mark.parametrize("damage", [{"test.correct": "zz"}, {"measures": "{}"}, {"measures": "x"}])
def test_damaged_tags_are_one_message(make_measures, damage):
    with pytest.raises(TrackingError, match=r"m 1: expected the measures .* Train again"):
        Measures.from_tags(make_measures().as_tags() | damage, "m 1")


def test_what_was_measured_is_on_the_side_of_the_bound_that_decided(make_measures):
    config = GatesConfig(min_accuracy=0.8, min_accuracy_low=0.78, max_calibration_error=0.03)
    results = check_gates(make_measures(**CLEAN, calibration_error=0.0300004), config, None)
    gate = next(one for one in results if one.name == "calibration")
    assert (gate.passed, gate.measured, gate.required) == (False, "0.0300004", "at most 0.03")
