from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.evaluation.run_comparison import RunResults, compare_runs

LABELS = np.arange(1000) % 10


def results(name="F/1", wrong=(), **changes):
    """Results of a run that predicts some images as the next class."""
    predictions = LABELS.copy()
    predictions[list(wrong)] = (predictions[list(wrong)] + 1) % 10
    usual = {
        "name": name,
        "settings": {"seed": 1, "search": {"candidates": [{"id": "a", "rows": 5}]}},
        "data": {"train": "1", "test": "2"},
        "code": {"Python": "3.11"},
        "leaderboard": pd.DataFrame({"candidate": ["a"], "status": ["winner"]}),
        "labels": LABELS,
        "predictions": predictions,
        "images": None,
    }
    return RunResults(**(usual | changes))


def test_a_run_equals_itself():
    comparison = compare_runs(results(), results())
    assert comparison.same_predictions
    assert comparison.changes == comparison.flips == ()
    assert comparison.difference.value == 0
    assert comparison.paired.p_value == 1


def test_flips_are_grouped_by_confusion_with_the_most_frequent_first():
    comparison = compare_runs(results(wrong=[0, 10, 20, 31]), results("F/2", wrong=[42]))
    assert comparison.paired.only_first == 4
    assert comparison.paired.only_second == 1
    assert comparison.difference.value == pytest.approx(0.003)
    assert [flip.row for flip in comparison.flips] == [0, 10, 20, 31, 42]
    first, last = comparison.flips[0], comparison.flips[-1]
    assert (first.label, first.before, first.after) == (0, 1, 0)
    assert (last.label, last.before, last.after) == (2, 2, 3)
    top = comparison.classes[0]
    assert (top.name, top.before, top.after) == ("T-shirt/top", 0.97, 1.0)
    assert top.difference.low < 0.03 < top.difference.high


def test_changes_name_data_settings_and_code():
    second = results(
        settings={
            "seed": 2,
            "search": {"candidates": [{"id": "a", "rows": 6}, {"id": "b", "rows": 5}]},
        },
        data={"train": "9", "test": "2"},
        code={"Python": "3.12", "numpy": "2"},
    )
    changes = compare_runs(results(), second).changes
    assert [(one.area, one.name, one.before, one.after) for one in changes] == [
        ("data", "train", "1", "9"),
        ("configuration", "seed", "1", "2"),
        ("configuration", "search.candidates[a].rows", "5", "6"),
        ("configuration", "search.candidates[b]", "", "configured"),
        ("code", "Python", "3.11", "3.12"),
        ("code", "numpy", "", "2"),
    ]


def test_other_test_images_are_compared_as_independent_samples():
    data = {"train": "1", "test": "3"}
    other = results(data=data, labels=LABELS[:500], predictions=LABELS[:500])
    comparison = compare_runs(results(wrong=range(100)), other)
    assert comparison.paired is None
    assert comparison.flips == ()
    assert comparison.difference.value == pytest.approx(0.1)
    assert comparison.difference.low > 0
    assert len(comparison.classes) == 10


def test_runs_without_fingerprints_are_not_compared_image_by_image():
    comparison = compare_runs(results(data={}), results(data={}))
    assert comparison.paired is None


def test_the_intervals_of_the_classes_hold_together():
    comparison = compare_runs(results(), results("F/2", wrong=range(20)))
    assert comparison.difference.confidence == 0.95
    assert all(one.difference.confidence == pytest.approx(0.995) for one in comparison.classes)
