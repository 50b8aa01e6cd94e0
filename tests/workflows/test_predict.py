from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.common.errors import DataError, ModelError
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.data.formats.batch import read_batch
from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.model_files.predictor import COLUMNS, SET_COLUMNS, predictions
from fmnist_lib.model_files.reference import HeldOutReference
from fmnist_lib.model_files.stored_model import load_model, save_model
from fmnist_lib.workflows.predict import predict_file


@pytest.fixture(scope="module")
def model(small_pipeline, train_images, test_images, test_labels, tmp_path_factory):
    probabilities = small_pipeline.predict_proba(test_images)
    reference = HeldOutReference.fit(train_images, test_images, test_labels, probabilities)
    directory = tmp_path_factory.mktemp("model")
    save_model(small_pipeline, test_images[:20], directory, reference)
    return load_model(directory)


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
        path.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(path / f"{number:05d}.png")
    return path


@pytest.mark.parametrize("kind", ["", ".gz", ".npy", ".npz", ".csv", ".parquet", "-png"])
@pytest.mark.parametrize("out", ["answers.csv", "answers.parquet"])
def test_every_kind_of_input_and_output_gives_the_answers_in_order(
    kind, out, model, test_images, tmp_path
):
    images = test_images[:30]
    source = _written(tmp_path, kind, images)
    assert predict_file(model, source, tmp_path / out) == 30
    read = pd.read_csv if out.endswith("csv") else pd.read_parquet
    table, expected = read(tmp_path / out), predictions(model, images)
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
        predict_file(model, tmp_path / "many.npy", tmp_path / name)
    table = pd.read_csv(tmp_path / "out.csv")
    assert len(table) == 10_000
    pd.testing.assert_frame_equal(
        table.drop(columns="label"),
        pd.read_parquet(tmp_path / "out.parquet").drop(columns="label"),
        check_dtype=False,
        rtol=1e-7,
    )


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_predictions_of_pictures_carry_their_names_in_natural_order(
    out, model, test_images, tmp_path
):
    from PIL import Image

    (tmp_path / "pngs").mkdir()
    for number, image in enumerate(test_images[:120]):
        Image.fromarray(image).save(tmp_path / "pngs" / f"{number}.png")
    predict_file(model, tmp_path / "pngs", tmp_path / out)
    read = pd.read_csv if out.endswith("csv") else pd.read_parquet
    table, expected = read(tmp_path / out), predictions(model, test_images[:120])
    assert list(table.columns) == ["file", *COLUMNS]
    assert table["file"].tolist() == [f"{number}.png" for number in range(120)]
    np.testing.assert_array_equal(table["class"], expected["class"])


def test_a_file_name_that_is_a_formula_is_a_text_and_the_table_can_be_read_back(
    model, test_images, tmp_path
):
    names = ("=1+cmd.png", "@a.png", "b.png")
    (tmp_path / "in").mkdir()
    for name, image in zip(names, test_images, strict=False):
        Image.fromarray(image).save(tmp_path / "in" / name)
    predict_file(model, tmp_path / "in", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert sorted(table["file"]) == ["'=1+cmd.png", "'@a.png", "b.png"]
    table[["file", "class"]].to_csv(tmp_path / "labels.csv", index=False)
    batch = read_batch(tmp_path / "in", tmp_path / "labels.csv")
    assert sorted(batch.names) == sorted(names)
    assert batch.labels.tolist() == table["class"].tolist()


@pytest.mark.parametrize("fault", ["dangling link", "folder", "damaged", "sub-folders"])
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_failure_to_read_is_not_reported_as_a_failure_to_write(
    fault, out, model, test_images, tmp_path
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
    with pytest.raises(DataError, match="2") as error:
        predict_file(model, pngs, tmp_path / out)
    assert "expected to write" not in str(error.value)
    assert (tmp_path / out).read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [tmp_path / out, pngs]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_full_disk_is_reported_as_a_failure_to_write(out, model, test_images, tmp_path):
    np.save(tmp_path / "images.npy", test_images)
    part = tmp_path / f".{out}.{os.getpid()}-{threading.get_ident()}.part"
    part.symlink_to("/dev/full")
    with pytest.raises(DataError, match=f"{out}: expected to write the predictions there"):
        predict_file(model, tmp_path / "images.npy", tmp_path / out)
    assert list(tmp_path.iterdir()) == [tmp_path / "images.npy"]


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_place_of_labels_among_nameless_columns_can_be_given(
    place, model, test_images, tmp_path
):
    flat, labels = test_images[:5].reshape(5, -1), [0] * 5
    columns = [labels, flat] if place == "first" else [flat, labels]
    pd.DataFrame(np.column_stack(columns)).to_csv(tmp_path / "b.csv", index=False, header=False)
    files = tmp_path / "b.csv", tmp_path / "out.csv"
    with pytest.raises(DataError, match=r"--label-column first\|last\|none"):
        predict_file(model, *files)
    predict_file(model, *files, label_column=place)
    expected = predictions(model, test_images[:5])
    np.testing.assert_array_equal(pd.read_csv(tmp_path / "out.csv")["class"], expected["class"])


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_sets_are_two_more_columns(out, model, test_images, test_labels, tmp_path):
    probabilities = model.pipeline.predict_proba(test_images)
    with_sets = replace(model, conformal=sorted_by_class(probabilities, test_labels))
    np.save(tmp_path / "images.npy", test_images)
    predict_file(with_sets, tmp_path / "images.npy", tmp_path / out, level=0.9)
    read = pd.read_csv if out.endswith("csv") else pd.read_parquet
    table = read(tmp_path / out)
    assert tuple(table.columns) == (*COLUMNS, *SET_COLUMNS)
    sets = table["set"].fillna("")
    counts = [names.count("; ") + 1 if names else 0 for names in sets]
    assert counts == table["set_size"].tolist()
    truth = [CLASS_NAMES[label] for label in test_labels]
    covered = [name in names.split("; ") for name, names in zip(truth, sets, strict=True)]
    assert 0.9 <= np.mean(covered) < 0.92


def test_sets_of_a_model_without_a_calibration_leave_no_output(model, test_images, tmp_path):
    np.save(tmp_path / "images.npy", test_images[:3])
    with pytest.raises(ModelError, match="expected a calibration of prediction sets"):
        predict_file(model, tmp_path / "images.npy", tmp_path / "out.csv", level=0.9)
    assert list(tmp_path.iterdir()) == [tmp_path / "images.npy"]


def test_a_level_out_of_reach_is_a_warning(model, test_images, test_labels, tmp_path, caplog):
    probabilities = model.pipeline.predict_proba(test_images[:200])
    with_sets = replace(model, conformal=sorted_by_class(probabilities, test_labels[:200]))
    np.save(tmp_path / "images.npy", test_images[:3])
    predict_file(with_sets, tmp_path / "images.npy", tmp_path / "out.csv", level=0.99)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "expected at least 99 calibration images per class" in caplog.text
    assert (pd.read_csv(tmp_path / "out.csv")["set_size"] == 10).all()
