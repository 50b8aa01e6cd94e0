from __future__ import annotations

import json
import threading

import pytest

from fmnist_lib.monitor.signal import Retraining, write_signal


def test_the_file_holds_plain_values(make_signal, tmp_path):
    path = tmp_path / "made" / "signal.json"
    write_signal(path, make_signal())
    content = json.loads(path.read_text())
    assert content["version"] == 1
    assert content["verdict"] == "watch"
    assert content["retrain"] is False
    assert content["estimated_accuracy"] == {
        "value": 0.88,
        "low": 0.85,
        "high": 0.91,
        "confidence": 0.95,
    }
    assert content["realised_accuracy"] is None


def test_the_outcome_of_the_retraining_is_added(make_signal, tmp_path):
    signal = make_signal(verdict="retrain")
    assert signal.retrain
    later = signal.with_retraining(
        Retraining("FashionMnistTrain/3", promoted=False, reason="not better")
    )
    write_signal(tmp_path / "s.json", later)
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["retraining"] == {
        "run": "FashionMnistTrain/3",
        "promoted": False,
        "reason": "not better",
    }


def test_a_realised_accuracy_replaces_the_estimate(make_signal):
    signal = make_signal()
    assert signal.accuracy == signal.estimated_accuracy
    known = make_signal(realised_accuracy=signal.reference_accuracy)
    assert known.accuracy == signal.reference_accuracy


def test_a_signal_that_cannot_be_written_leaves_the_last_one(make_signal, tmp_path):
    path = tmp_path / "s.json"
    write_signal(path, make_signal())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_signal(path, make_signal(p_value=float("nan")))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_written_atomically(make_signal, tmp_path):
    path = tmp_path / "s.json"
    write_signal(path, make_signal())
    stop = threading.Event()

    def write():
        while not stop.is_set():
            write_signal(path, make_signal(reason="x" * 50_000))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            json.loads(path.read_text())
    finally:
        stop.set()
        writer.join()
