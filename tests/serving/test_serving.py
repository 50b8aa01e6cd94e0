"""The servers as a client uses them: over HTTP, on a local port."""

from __future__ import annotations

import json
from dataclasses import replace

import mlflow.pyfunc
import numpy as np
import pytest
import requests

from fmnist_lib.common.errors import ModelError
from fmnist_lib.model_files.predictor import predictions
from fmnist_lib.model_files.stored_model import load_model
from fmnist_lib.serving.pyfunc import ServedModel

JSON = {"Content-Type": "application/json"}
IMAGE = np.zeros((28, 28), dtype=int).tolist()
MALFORMED = {
    "no JSON": b"{",
    "empty object": b"{}",
    "a list": b"[]",
    "no images": b'{"inputs": []}',
    "wrong shape": json.dumps({"inputs": [[1, 2, 3]]}).encode(),
    "one image alone": json.dumps({"inputs": IMAGE}).encode(),
    "ragged": json.dumps({"inputs": [IMAGE, IMAGE[:20]]}).encode(),
    "strings": json.dumps({"inputs": [[["0"] * 28] * 28]}).encode(),
    "one string": json.dumps({"inputs": [[[*([0] * 27), "x"], *IMAGE[1:]]]}).encode(),
    "NaN": json.dumps({"inputs": [[[float("nan")] * 28] * 28]}).encode(),
    "infinity": json.dumps({"inputs": [[[float("inf")] * 28] * 28]}).encode(),
    "null": json.dumps({"inputs": [[[None] * 28] * 28]}).encode(),
    "fractions": json.dumps({"inputs": [[[0.5] * 28] * 28]}).encode(),
    "out of range": json.dumps({"inputs": [[[256] * 28] * 28]}).encode(),
    "huge numbers": json.dumps({"inputs": [[[10**400] * 28] * 28]}).encode(),
    "text": json.dumps({"inputs": "images"}).encode(),
    "bytes": bytes(range(256)),
    "empty": b"",
}


def _ask(address, images):
    body = json.dumps({"inputs": images.tolist()})
    answer = requests.post(f"{address}/invocations", data=body, headers=JSON, timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()["predictions"]


def _expected(directory, images):
    return predictions(load_model(directory), images).to_dict("records")


def _check_answers(address, directory, images, rng):
    chosen = images[rng.choice(len(images), 1000, replace=False)]
    for batch in np.array_split(chosen, 10):
        assert _ask(address, batch) == _expected(directory, batch)
    flat = chosen[:7].reshape(-1, 784)
    assert _ask(address, flat) == _expected(directory, flat)
    assert _ask(address, chosen[:1]) == _expected(directory, chosen[:1])


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_a_thousand_answers_over_http_are_those_in_process(
    server, model_directory, test_images, rng
):
    _check_answers(server, model_directory, test_images, rng)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_gets_a_4xx(server, name):
    body = MALFORMED[name]
    answer = requests.post(f"{server}/invocations", data=body, headers=JSON, timeout=60)
    assert 400 <= answer.status_code < 500, answer.text[:500]


def test_a_request_without_a_type_or_with_another_gets_a_4xx(server):
    for headers in ({}, {"Content-Type": "image/png"}):
        answer = requests.post(f"{server}/invocations", data=b"", headers=headers, timeout=60)
        assert answer.status_code == 415


@pytest.mark.parametrize("chunked", [False, True])
def test_fifty_megabytes_are_refused_and_the_next_request_is_served(
    server, model_directory, test_images, chunked
):
    body = b"0" * 50_000_000
    data = (body[i : i + 1_000_000] for i in range(0, len(body), 1_000_000)) if chunked else body
    answer = requests.post(f"{server}/invocations", data=data, headers=JSON, timeout=60)
    assert answer.status_code == 413
    assert "expected at most 16 MB, got 50 MB" in answer.text
    images = test_images[:3]
    assert _ask(server, images) == _expected(model_directory, images)


def test_more_images_than_one_request_may_hold_get_a_4xx(server):
    many = json.dumps({"inputs": np.zeros((5001, 784), dtype=int).tolist()})
    answer = requests.post(f"{server}/invocations", data=many, headers=JSON, timeout=60)
    assert answer.status_code == 400
    assert "expected 1 to 5000 in one request, got 5001" in answer.text


@pytest.mark.slow
def test_mlflow_models_serve_gives_the_same_answers_and_keeps_running(
    mlflow_server, model_directory, test_images, rng
):
    for name, body in MALFORMED.items():
        answer = requests.post(f"{mlflow_server}/invocations", data=body, headers=JSON, timeout=60)
        assert 400 <= answer.status_code < 500, name
    large = b"0" * 50_000_000
    answer = requests.post(f"{mlflow_server}/invocations", data=large, headers=JSON, timeout=120)
    assert 400 <= answer.status_code < 500
    _check_answers(mlflow_server, model_directory, test_images, rng)


def test_mlflow_loads_it_without_a_pickle_and_takes_both_shapes(model_directory, test_images):
    model = mlflow.pyfunc.load_model(str(model_directory))
    table = model.predict(test_images[:10])
    assert table.to_dict("records") == _expected(model_directory, test_images[:10])
    assert model.predict(test_images[:10].reshape(10, 784)).equals(table)
    assert not [p.name for p in model_directory.rglob("*.pkl")]
    assert (model_directory / "code" / "fmnist_lib" / "features" / "pixels.py").is_file()
    pins = (model_directory / "requirements.txt").read_text().split()
    assert {pin.partition("==")[0] for pin in pins} >= {"mlflow", "scikit-learn", "skops"}
    assert all("==" in pin for pin in pins)
    assert model.metadata.signature.outputs.input_names()[:2] == ["class", "label"]
    assert model.input_example.shape == (2, 28, 28)


def test_a_request_may_ask_for_prediction_sets(server, model_directory, test_images):
    images = test_images[:20]
    body = {"inputs": images.tolist(), "params": {"sets": 0.95}}
    answer = requests.post(f"{server}/invocations", json=body, timeout=60)
    expected = predictions(load_model(model_directory), images, 0.95).to_dict("records")
    assert answer.json()["predictions"] == expected
    assert set(expected[0]) >= {"set", "set_size"}
    # The next request without a level has none.
    assert _ask(server, images) == _expected(model_directory, images)


@pytest.mark.parametrize("level", [0, 1, 95, True, "much", [0.9]])
def test_a_level_outside_the_unit_interval_gets_a_4xx(server, level):
    body = {"inputs": [IMAGE], "params": {"sets": level}}
    answer = requests.post(f"{server}/invocations", json=body, timeout=60)
    assert answer.status_code == 400
    assert "between 0 and 1" in answer.text


def test_the_start_option_adds_sets_to_every_response(model_directory, test_images):
    model, images = load_model(model_directory), test_images[:20]
    table = ServedModel(model, 0.9).predict(images)
    assert table["set"].tolist() == predictions(model, images, 0.9)["set"].tolist()
    other = ServedModel(model, 0.9).predict(images, {"sets": 0.99})
    assert other["set_size"].sum() > table["set_size"].sum()


def test_a_model_without_a_calibration_refuses_a_request_for_sets(model_directory, test_images):
    model = replace(load_model(model_directory), conformal=None)
    with pytest.raises(mlflow.MlflowException, match="expected a calibration") as error:
        ServedModel(model).predict(test_images[:1], {"sets": 0.9})
    assert error.value.get_http_status_code() == 400
    with pytest.raises(ModelError, match="expected a calibration"):
        ServedModel(model, 0.9)


def test_mlflow_passes_the_level_on(model_directory, test_images):
    model = mlflow.pyfunc.load_model(str(model_directory))
    table = model.predict(test_images[:10], params={"sets": 0.95})
    expected = predictions(load_model(model_directory), test_images[:10], 0.95)
    assert table["set"].tolist() == expected["set"].tolist()
    assert "set" not in model.predict(test_images[:10])
