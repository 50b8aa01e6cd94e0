"""The parts of the comparison of drift tests that a wrong table would come from."""

from __future__ import annotations

import sys

import drift_exchange
import drift_peers
import numpy as np
import pandas as pd
import pytest

N_HELD = 20_000


@pytest.fixture(scope="module", autouse=True)
def few_repeats():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_peers, "REPEATS", 2)
        yield


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(0).integers(0, 10, N_HELD).astype(np.uint8)


@pytest.fixture(scope="module")
def names():
    return list(dict.fromkeys(["clean", *map(drift_peers.pool_name, drift_peers.TESTED_SHIFTS)]))


@pytest.fixture(scope="module")
def draw(labels, names):
    return drift_peers.draw_batches(labels, names)


def test_no_image_is_in_reference_and_batch(draw):
    for repeat, batch in zip(draw.cells["repeat"], draw.batches, strict=True):
        held = batch[batch >= 0] % N_HELD
        assert len(held) == len(set(held))
        assert not np.isin(held, draw.references[repeat]).any()


def test_batches_have_the_size_and_the_share_of_changed_images_asked_for(draw, names):
    for cell, batch in zip(draw.cells.itertuples(), draw.batches, strict=True):
        rows = batch[batch >= 0]
        assert len(rows) == cell.n
        changed = rows >= N_HELD
        if cell.shift in names:
            assert set(rows[changed] // N_HELD) == {names.index(cell.shift)}
            assert changed.mean() == pytest.approx(cell.fraction, abs=0.16)
        else:
            assert not changed.any()


def test_a_class_that_is_knocked_out_is_missing(draw, labels):
    whole = (draw.cells["shift"] == "class_knockout") & (draw.cells["fraction"] == 1)
    for batch in draw.batches[whole]:
        assert len(np.unique(labels[batch[batch >= 0]])) == 9


def test_the_same_batches_are_drawn_every_time(labels, names, draw):
    again = drift_peers.draw_batches(labels, names)
    np.testing.assert_array_equal(again.batches, draw.batches)
    np.testing.assert_array_equal(again.references, draw.references)


def test_the_own_alarms_are_those_of_the_library(draw):
    from fmnist_lib.drift.two_sample.ks import ks_per_feature

    columns = np.random.default_rng(1).normal(size=(N_HELD, 3)).round(1)
    reference, batches = draw.references[0], draw.batches[:3]
    columns[batches[2], 0] += 0.5
    expected = [
        ks_per_feature(columns[reference], columns[batch[batch >= 0]]).drifted for batch in batches
    ]
    assert set(expected) == {True, False}
    assert list(drift_peers._own_alarms(columns, reference, batches)) == expected


def test_a_peer_that_is_not_through_answers_for_whole_repeats(draw, tmp_path, monkeypatch):
    np.save(tmp_path / "outputs.npy", np.zeros((6 * N_HELD, 2)))
    repeats = draw.cells["repeat"].to_numpy()
    np.savez(
        tmp_path / "batches.npz",
        references=draw.references,
        repeats=repeats,
        batches=draw.batches,
    )
    clock = iter([0.0, 0.0, 61.0])
    monkeypatch.setattr(drift_exchange.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(sys, "argv", ["run", str(tmp_path), "1"])
    drift_exchange.answer_all(lambda _: lambda batch: len(batch) == 100, "numpy")
    with np.load(tmp_path / "alarms.npz") as answer:
        n_first = int((repeats == 0).sum())
        np.testing.assert_array_equal(answer["alarms"], draw.cells["n"][:n_first] == 100)


def test_rates_count_the_alarms_of_a_cell(draw):
    alarms = ((draw.cells["shift"] == "none") & (draw.cells["repeat"] == 0)).to_numpy()
    rates = drift_peers.rates_of("x", draw, alarms, "x 1")
    null = rates[rates["shift"] == "none"]
    assert null["alarms"].tolist() == [1, 1, 1]
    assert null["repeats"].tolist() == [2, 2, 2]
    assert rates.loc[rates["shift"] != "none", "rate"].eq(0).all()
    assert "0.500 [0.095, 0.905]" in drift_peers.summary(rates)


def test_a_test_that_is_measured_again_replaces_its_rows(draw, tmp_path, monkeypatch):
    monkeypatch.setattr(drift_peers, "TABLE", tmp_path / "table.csv")
    none, every = np.zeros(len(draw.batches), dtype=bool), np.ones(len(draw.batches), dtype=bool)
    for name, alarms in (("a", none), ("b", none), ("a", every)):
        drift_peers.keep(drift_peers.rates_of(name, draw, alarms, "x 1"))
    mean = pd.read_csv(tmp_path / "table.csv").groupby("test")["rate"].mean()
    assert mean.to_dict() == {"a": 1.0, "b": 0.0}
