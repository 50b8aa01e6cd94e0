"""Tables with named columns get the predictions of the same images, in any column order."""

from __future__ import annotations

import io
import json

import mlflow.models
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import requests

from fmnist_lib.common.errors import DataError
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.predictor import predictions
from fmnist_lib.model_files.stored_model import load_model
from fmnist_lib.serving.pyfunc import request_images

NAMES = [f"pixel{number}" for number in range(1, 785)]
ORDER = np.random.default_rng(3).permutation(784)
JSON, CSV = "application/json", "text/csv"
PARQUET = "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def images(test_images):
    return test_images[:50]


@pytest.fixture(scope="module")
def table(images):
    return pd.DataFrame(images.reshape(-1, 784), columns=NAMES)


@pytest.fixture(scope="module")
def shuffled(table):
    return table.iloc[:, ORDER]


@pytest.fixture(scope="module")
def expected(images, model_directory):
    return predictions(load_model(model_directory), images).to_dict("records")


def _split(frame, **changes):
    return {"dataframe_split": frame.to_dict("split") | changes}


def _parquet(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def _variants(table):
    """Bodies that hold the same images, each with its content type."""
    shuffled = table.iloc[:, ORDER]
    numbered = table.set_axis(range(784), axis=1).iloc[:, ORDER]
    labelled = shuffled.assign(label=3)
    labels_first = labelled[["label", *labelled.columns[:-1]]]
    pixels = table.to_numpy()
    ragged_records = [
        dict(sorted(row.items(), key=lambda item: hash((number, item[0]))))
        for number, row in enumerate(shuffled.to_dict("records"))
    ]
    packed = {
        "split": _split(table),
        "split in another order": _split(shuffled),
        "split with labels": _split(labels_first),
        "split with names of the images": _split(shuffled.assign(file="a.png")),
        "split by numbers in another order": _split(numbered),
        "split by numbers as text": _split(numbered.set_axis(map(str, numbered), axis=1)),
        "split without names": {"dataframe_split": {"data": pixels.tolist()}},
        "records": {"dataframe_records": shuffled.to_dict("records")},
        "records, each in another order": {"dataframe_records": ragged_records},
        "inputs by columns": {"inputs": {name: shuffled[name].tolist() for name in shuffled}},
        "inputs by records": {"inputs": shuffled.to_dict("records")},
        "inputs by one name": {"inputs": {"images": pixels.reshape(-1, 28, 28).tolist()}},
        "inputs by one name, flat": {"inputs": {"anything": pixels.tolist()}},
        "inputs with labels": {"inputs": {"image": pixels.tolist(), "label": [3] * len(pixels)}},
        "instances": {"instances": pixels.tolist()},
        "instances by records": {"instances": shuffled.to_dict("records")},
        "instances by one name": {"instances": [{"image": row.tolist()} for row in pixels]},
    }
    bodies = {name: (JSON, json.dumps(content)) for name, content in packed.items()}
    return bodies | {
        "CSV": (CSV, table.to_csv(index=False)),
        "CSV in another order": (CSV, shuffled.to_csv(index=False)),
        "CSV with labels last": (CSV, labelled.to_csv(index=False)),
        "CSV with labels first": (CSV, labels_first.to_csv(index=False)),
        "CSV with an index": (CSV, shuffled.to_csv()),
        "CSV with numbers as names": (CSV, numbered.to_csv(index=False)),
        "Parquet in another order": (PARQUET, _parquet(labelled)),
        "Parquet of a sample": (PARQUET, _parquet(shuffled.set_axis(range(7, 57)))),
        "Parquet of lists": (PARQUET, _parquet(pd.DataFrame({"image": list(pixels)}))),
    }


WITHOUT_NAMES = {
    "CSV without names": lambda table: table.to_csv(index=False, header=False),
    "CSV without names, Windows": lambda table: table.to_csv(
        index=False, header=False, lineterminator="\r\n"
    ),
    "CSV without names, a mark first": lambda table: (
        "\ufeff" + table.to_csv(index=False, header=False)
    ),
    "CSV with an index and numbers as names": lambda table: table.set_axis(
        range(784), axis=1
    ).to_csv(),
}
REFUSED = {
    "a column missing": lambda table: _split(table.drop(columns="pixel7")),
    "a column twice": lambda table: _split(table, columns=["pixel2", *NAMES[1:]]),
    "a column more": lambda table: _split(table.assign(brightness=1)),
    "other names": lambda table: _split(table, columns=[f"x{hash(n)}y" for n in NAMES]),
    "785 columns without names": lambda table: {
        "dataframe_split": {"data": np.c_[table.to_numpy(), np.zeros(50, int)].tolist()}
    },
    "a record without a pixel": lambda table: {
        "dataframe_records": [*table.to_dict("records")[1:], {"pixel1": 0}]
    },
    "columns of different lengths": lambda table: {
        "inputs": {name: [0] * (1 + (name == "pixel3")) for name in table}
    },
    "a pixel of text": lambda table: _split(table.assign(pixel5="x")),
    "a fraction": lambda table: _split(table.assign(pixel5=0.5)),
    "no rows": lambda table: _split(table[:0]),
}


def _post(address, kind, body):
    body = body.encode() if isinstance(body, str) else body
    url = f"{address}/invocations"
    return requests.post(url, data=body, headers={"Content-Type": kind}, timeout=60)


def _check(address, bodies, expected):
    for name, (kind, body) in bodies.items():
        answer = _post(address, kind, body)
        assert answer.status_code == 200, (name, answer.text[-500:])
        assert answer.json()["predictions"] == expected, name


def test_the_server_aligns_columns_by_name(server, table, expected):
    _check(server, _variants(table), expected)


@pytest.mark.parametrize("name", WITHOUT_NAMES)
def test_the_server_reads_csv_without_names(server, table, expected, name):
    _check(server, {name: (CSV, WITHOUT_NAMES[name](table))}, expected)


@pytest.mark.parametrize("name", REFUSED)
def test_the_server_refuses_columns_it_cannot_align(server, table, name):
    answer = _post(server, JSON, json.dumps(REFUSED[name](table)))
    assert answer.status_code == 400, answer.text[-500:]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "No columns"),
        ("1,2,3\n", "got 3 columns without names"),
        (",".join(["0"] * 785), "got 785 columns without names"),
        (",".join(["0"] * 783 + [""]), "empty cell"),
        ("pixel1,pixel1\n1,2\n", "expected 784 columns of pixels"),
        (";".join(NAMES) + "\n" + ";".join(["0"] * 784), "expected 784 columns of pixels"),
        (",".join(NAMES) + "\n", "expected 1 to 5000 in one request, got 0"),
    ],
)
def test_csv_that_holds_no_images_is_refused_with_the_reason(server, text, reason):
    answer = _post(server, CSV, text)
    assert answer.status_code == 400, answer.text[-500:]
    assert reason in answer.text


def test_csv_in_another_encoding_is_refused(server, table):
    body = table.rename(columns={"pixel1": "Größe"}).to_csv(index=False).encode("latin-1")
    assert _post(server, CSV, body).status_code == 400


@pytest.mark.slow
def test_mlflow_models_serve_gives_the_same_answers_for_tables(mlflow_server, table, expected):
    _check(mlflow_server, _variants(table), expected)
    for name, make in REFUSED.items():
        answer = _post(mlflow_server, JSON, json.dumps(make(table)))
        assert 400 <= answer.status_code < 500, (name, answer.text[-500:])
    # It takes the first image for names, which are not those of pixels.
    assert _post(mlflow_server, CSV, WITHOUT_NAMES["CSV without names"](table)).status_code == 400


def test_a_frame_given_to_the_loaded_model_is_aligned(
    model_directory, table, shuffled, images, expected
):
    model = mlflow.pyfunc.load_model(str(model_directory))
    for frame in (
        shuffled,
        shuffled.assign(label=3),
        pa.table(shuffled),
        shuffled.to_records(index=False),
        {name: shuffled[name].to_numpy() for name in shuffled},
        {"images": images},
        images.tolist(),
        table.set_axis(range(784), axis=1).iloc[:, ORDER],
        pd.DataFrame({"image": list(images.reshape(-1, 784)), "label": 3}),
    ):
        assert model.predict(frame).to_dict("records") == expected
    with pytest.raises(mlflow.MlflowException, match="expected 784 columns of pixels"):
        model.predict(shuffled.drop(columns="pixel7"))
    with pytest.raises(mlflow.MlflowException, match="rows and columns of equal length"):
        model.predict([[0] * 784, [0] * 3])


@pytest.mark.slow
def test_mlflows_command_aligns_columns(model_directory, shuffled, expected, tmp_path):
    for kind, text in (
        ("csv", shuffled.to_csv(index=False)),
        ("json", json.dumps(_split(shuffled))),
    ):
        (tmp_path / "input").write_text(text)
        mlflow.models.predict(
            str(model_directory),
            input_path=str(tmp_path / "input"),
            content_type=kind,
            output_path=str(tmp_path / "output.json"),
            env_manager="local",
        )
        answer = json.loads((tmp_path / "output.json").read_text())
        assert answer["predictions"] == expected


def test_the_models_own_steps_align_columns(shuffled, images, model_directory):
    for frame in (shuffled, pa.table(shuffled), shuffled.to_records(index=False)):
        assert np.array_equal(Pixels().transform(frame), Pixels().transform(images))
    pipeline = load_model(model_directory).pipeline
    assert np.array_equal(pipeline.predict(shuffled), pipeline.predict(images))
    with pytest.raises(DataError, match="expected 784 columns of pixels"):
        pipeline.predict(shuffled.rename(columns={"pixel1": "first"}))


def test_more_rows_than_a_request_may_hold_are_refused(table):
    with pytest.raises(DataError, match="expected 1 to 5000 in one request, got 5050"):
        request_images(pd.concat([table] * 101))
