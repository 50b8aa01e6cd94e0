from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fmnist_lib.config.base import PROJECT_ROOT
from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files.predictor import COLUMNS, predictions
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import load_model, save_model
from fmnist_lib.workflows.predict import main


@pytest.fixture(scope="module")
def model(train_images, train_labels, test_images, test_labels, tmp_path_factory):
    pipeline = make_pipeline(Pixels(), PCA(30, random_state=0), LogisticRegression(max_iter=500))
    pipeline = pickle.loads(pickle.dumps(pipeline.fit(train_images[:1000], train_labels[:1000])))
    probabilities = pipeline.predict_proba(test_images)
    reference = HeldOutReference.fit(train_images, test_images, test_labels, probabilities)
    directory = tmp_path_factory.mktemp("model")
    save_model(pipeline, test_images[:20], directory, reference)
    return directory


def _written(directory, kind, images):
    path = directory / f"images{kind}"
    flat = pd.DataFrame(images.reshape(len(images), -1))
    flat.columns = [f"pixel{i}" for i in range(1, 785)]
    if kind in {"", ".gz"}:
        write_idx(path, images)
    elif kind == ".npy":
        np.save(path, images)
    elif kind == ".npz":
        np.savez(path, images=images)
    elif kind == ".csv":
        flat.to_csv(path, index=False)
    elif kind == ".parquet":
        flat.to_parquet(path)
    else:
        from PIL import Image

        path.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(path / f"{number:05d}.png")
    return path


@pytest.mark.parametrize("kind", ["", ".gz", ".npy", ".npz", ".csv", ".parquet", "-png"])
@pytest.mark.parametrize("out", ["answers.csv", "answers.parquet"])
def test_every_kind_of_input_and_output_gives_the_answers_in_order(
    kind, out, model, test_images, tmp_path, capsys
):
    images = test_images[:30]
    source = _written(tmp_path, kind, images)
    arguments = ["--model", str(model), "--in", str(source), "--out", str(tmp_path / out)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"30 predictions in {tmp_path / out}\n"
    read = pd.read_csv if out.endswith("csv") else pd.read_parquet
    table, expected = read(tmp_path / out), predictions(load_model(model), images)
    if kind == "-png":
        assert table.pop("file").tolist() == [f"{number:05d}.png" for number in range(30)]
    assert tuple(table.columns) == COLUMNS
    np.testing.assert_array_equal(table["class"], expected["class"])
    assert table["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(table["probability"], expected["probability"], rtol=1e-8)
    np.testing.assert_array_equal(table["unlike_training"], expected["unlike_training"])


def test_many_chunks_are_one_table(model, test_images, tmp_path):
    np.save(tmp_path / "many.npy", np.tile(test_images, (5, 1, 1)))
    for name in ("out.csv", "out.parquet"):
        arguments = ["--in", str(tmp_path / "many.npy"), "--out", str(tmp_path / name)]
        assert main(["--model", str(model), *arguments]) == 0
    table = pd.read_csv(tmp_path / "out.csv")
    assert len(table) == 10_000
    pd.testing.assert_frame_equal(
        table.drop(columns="label"),
        pd.read_parquet(tmp_path / "out.parquet").drop(columns="label"),
        check_dtype=False,
        rtol=1e-7,
    )


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
    source, target, message, model, test_images, tmp_path, capsys
):
    np.save(tmp_path / "images.npy", test_images)
    content = (tmp_path / "images.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[: len(content) // 2])
    before = sorted(tmp_path.iterdir())
    arguments = ["--in", str(tmp_path / source), "--out", str(tmp_path / target)]
    assert main(["--model", str(model), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_predictions_of_pictures_carry_their_names_in_natural_order(
    out, model, test_images, tmp_path
):
    from PIL import Image

    (tmp_path / "pngs").mkdir()
    for number, image in enumerate(test_images[:120]):
        Image.fromarray(image).save(tmp_path / "pngs" / f"{number}.png")
    files = ["--in", str(tmp_path / "pngs"), "--out", str(tmp_path / out)]
    assert main(["--model", str(model), *files]) == 0
    read = pd.read_csv if out.endswith("csv") else pd.read_parquet
    table, expected = read(tmp_path / out), predictions(load_model(model), test_images[:120])
    assert list(table.columns) == ["file", *COLUMNS]
    assert table["file"].tolist() == [f"{number}.png" for number in range(120)]
    np.testing.assert_array_equal(table["class"], expected["class"])


@pytest.mark.parametrize("fault", ["dangling link", "folder", "damaged", "sub-folders"])
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_failure_to_read_is_not_reported_as_a_failure_to_write(
    fault, out, model, test_images, tmp_path, capsys
):
    from PIL import Image

    pngs = tmp_path / "pngs"
    pngs.mkdir()
    Image.fromarray(test_images[0]).save(pngs / "1.png")
    if fault == "dangling link":
        (pngs / "2.png").symlink_to(tmp_path / "absent.png")
    elif fault == "folder":
        (pngs / "2.png").mkdir()
    elif fault == "damaged":
        (pngs / "2.png").write_bytes(b"")
    else:
        (pngs / "2").mkdir()
        Image.fromarray(test_images[0]).save(pngs / "2" / "2.png")
    (tmp_path / out).write_text("before")
    arguments = ["--in", str(pngs), "--out", str(tmp_path / out)]
    assert main(["--model", str(model), *arguments]) == 1
    message = capsys.readouterr().err
    assert "2" in message
    assert "expected to write" not in message
    assert (tmp_path / out).read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [tmp_path / out, pngs]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_full_disk_is_reported_as_a_failure_to_write(
    out, model, test_images, tmp_path, capsys, monkeypatch
):
    np.save(tmp_path / "images.npy", test_images)
    part = tmp_path / f".{out}.{os.getpid()}.part"
    part.symlink_to("/dev/full")
    monkeypatch.setattr("fmnist_lib.workflows.predict._delete_stale_parts", lambda _: None)
    arguments = ["--in", str(tmp_path / "images.npy"), "--out", str(tmp_path / out)]
    assert main(["--model", str(model), *arguments]) == 1
    assert f"{out}: expected to write the predictions there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "images.npy"]


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_place_of_labels_among_nameless_columns_can_be_given(
    place, model, test_images, tmp_path, capsys
):
    flat, labels = test_images[:5].reshape(5, -1), [0] * 5
    columns = [labels, flat] if place == "first" else [flat, labels]
    pd.DataFrame(np.column_stack(columns)).to_csv(tmp_path / "b.csv", index=False, header=False)
    arguments = ["--model", str(model), "--in", str(tmp_path / "b.csv")]
    arguments += ["--out", str(tmp_path / "out.csv")]
    assert main(arguments) == 1
    assert "--label-column first|last|none" in capsys.readouterr().err
    assert main([*arguments, "--label-column", place]) == 0
    expected = predictions(load_model(model), test_images[:5])
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "out.csv")["class"], expected["class"])


@pytest.mark.parametrize("name", ["absent", "model.bin", "models:/nonsense"])
def test_a_model_that_is_not_there_is_one_message(name, tmp_path, capsys):
    arguments = ["--model", name, "--in", "x.npy", "--out", str(tmp_path / "out.csv")]
    assert main(arguments) == 1
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_no_partial_output_and_can_be_repeated(
    number, model, test_images, tmp_path
):
    images = np.lib.format.open_memmap(tmp_path / "many.npy", "w+", np.uint8, (400_000, 28, 28))
    images[:2000] = test_images
    images.flush()
    out = tmp_path / "out" / "answers.csv"
    command = [sys.executable, "-m", "fmnist_lib.workflows.predict", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--in", str(tmp_path / "many.npy"), "--out", str(out)], cwd=PROJECT_ROOT
    )
    while not any(part.stat().st_size for part in out.parent.glob(".*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(30) != 0
    assert not out.exists()
    np.save(tmp_path / "few.npy", test_images[:10])
    again = [*command, "--in", str(tmp_path / "few.npy"), "--out", str(out)]
    subprocess.run(again, cwd=PROJECT_ROOT, check=True)
    assert list(out.parent.iterdir()) == [out]
    assert len(pd.read_csv(out)) == 10
