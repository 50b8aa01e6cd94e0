from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.common.paths import PROJECT_ROOT
from fmnist_lib.model_files.predictor import predictions
from fmnist_lib.model_files.stored_model import load_model, save_model


@pytest.fixture(scope="module")
def model(small_pipeline, test_images, tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    save_model(small_pipeline, test_images[:20], directory)
    return directory


@pytest.mark.parametrize("as_json", [False, True])
def test_the_output_says_how_many_images_were_predicted(
    as_json, model, test_images, tmp_path, fmnist
):
    np.save(tmp_path / "images.npy", test_images[:30])
    out = tmp_path / "new" / "out.csv"
    files = ("--in", tmp_path / "images.npy", "--out", out)
    status, output, errors = fmnist("predict", "--model", model, *files, *["--json"] * as_json)
    # No progress bar, as stderr is no terminal.
    assert (status, errors) == (0, "")
    if as_json:
        assert json.loads(output) == {"images": 30, "output": str(out)}
    else:
        assert output == f"30 predictions in {out}\n"
    expected = predictions(load_model(model), test_images[:30])
    assert pd.read_csv(out)["label"].tolist() == expected["label"].tolist()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("absent.npy", "out.csv", "expected a file or folder, found nothing"),
        ("images.npy", "out.xlsx", "expected an output ending in"),
        ("cut.npy", "out.csv", "cut.npy"),
        ("images.npy", "images.npy/out.csv", "expected to write the predictions there"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    source, target, message, model, test_images, tmp_path, fmnist
):
    np.save(tmp_path / "images.npy", test_images)
    content = (tmp_path / "images.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[: len(content) // 2])
    before = sorted(tmp_path.iterdir())
    files = ("--in", tmp_path / source, "--out", tmp_path / target)
    status, output, errors = fmnist("predict", "--model", model, *files)
    assert (status, output) == (1, "")
    assert errors.startswith("Error: ")
    assert message in errors
    assert sorted(tmp_path.iterdir()) == before


def test_the_position_of_the_labels_can_be_given(model, test_images, tmp_path, fmnist):
    table = np.column_stack([[0] * 5, test_images[:5].reshape(5, -1)])
    pd.DataFrame(table).to_csv(tmp_path / "b.csv", index=False, header=False)
    words = ("predict", "--model", model, "--in", tmp_path / "b.csv", "--out", tmp_path / "o.csv")
    status, _, message = fmnist(*words)
    assert status == 1
    assert "--label-column first|last|none" in message
    assert fmnist(*words, "--label-column", "first")[0] == 0


@pytest.mark.parametrize("name", ["absent", "model.bin", "models:/nonsense"])
def test_a_model_that_is_not_there_is_one_message(name, tmp_path, fmnist):
    files = ("--in", "x.npy", "--out", tmp_path / "out.csv")
    status, output, message = fmnist("predict", "--model", name, *files)
    assert (status, output) == (1, "")
    assert "expected" in message


def test_a_registered_model_is_looked_up_where_the_environment_says(tmp_path, fmnist, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://nowhere")
    files = ("--in", "x.npy", "--out", tmp_path / "out.csv")
    status, _, message = fmnist("predict", "--model", "models:/fashion-mnist@champion", *files)
    assert status == 1
    assert "ftp://nowhere" in message


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
    ids=["SIGKILL", "SIGTERM", "SIGINT"],
)
def test_a_run_that_a_signal_ends_leaves_no_output_and_can_be_repeated(
    number, status, model, test_images, tmp_path, fmnist
):
    images = np.lib.format.open_memmap(tmp_path / "many.npy", "w+", np.uint8, (400_000, 28, 28))
    images[:2000] = test_images
    images.flush()
    out = tmp_path / "out" / "answers.csv"
    command = [sys.executable, "-m", "fmnist_lib", "predict", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--in", str(tmp_path / "many.npy"), "--out", str(out)],
        cwd=PROJECT_ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(part.stat().st_size for part in out.parent.glob(".*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, message = process.communicate(timeout=30)
    assert (process.returncode, message) == (status, "")
    assert not out.exists()
    if number != signal.SIGKILL:
        assert not list(out.parent.iterdir())
    np.save(tmp_path / "few.npy", test_images[:10])
    files = ("--in", tmp_path / "few.npy", "--out", out)
    assert fmnist("predict", "--model", model, *files)[0] == 0
    assert list(out.parent.iterdir()) == [out]
    assert len(pd.read_csv(out)) == 10


@pytest.mark.parametrize("level", ["0", "1", "95", "x"])
def test_a_level_outside_the_unit_interval_is_wrong_usage(level, model, tmp_path, fmnist):
    files = ("--in", "x.npy", "--out", tmp_path / "out.csv")
    status, _, message = fmnist("predict", "--model", model, *files, "--sets", level)
    assert status == 2
    assert "--sets" in message


def test_sets_are_refused_by_one_message_if_the_model_has_no_calibration(
    model, test_images, tmp_path, fmnist
):
    np.save(tmp_path / "images.npy", test_images[:3])
    files = ("--in", tmp_path / "images.npy", "--out", tmp_path / "out.csv")
    status, output, message = fmnist("predict", "--model", model, *files, "--sets", 0.95)
    assert (status, output) == (1, "")
    assert message.startswith("Error: model: expected a calibration of prediction sets")
    assert not (tmp_path / "out.csv").exists()
    status, _, message = fmnist("serve", "--model", model, "--port", 0, "--sets", 0.95)
    assert status == 1
    assert "expected a calibration of prediction sets" in message


def test_sets_are_written_beside_the_predictions(model, test_images, test_labels, tmp_path, fmnist):
    pipeline = load_model(model).pipeline
    calibration = sorted_by_class(pipeline.predict_proba(test_images), test_labels)
    save_model(pipeline, test_images[:3], tmp_path / "model", conformal=calibration)
    np.save(tmp_path / "images.npy", test_images[:50])
    files = ("--in", tmp_path / "images.npy", "--out", tmp_path / "out.csv")
    words = ("predict", "--model", tmp_path / "model", *files, "--sets", 0.95)
    assert fmnist(*words) == (0, f"50 predictions in {tmp_path / 'out.csv'}\n", "")
    expected = predictions(load_model(tmp_path / "model"), test_images[:50], 0.95)
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert table["set"].tolist() == expected["set"].tolist()
