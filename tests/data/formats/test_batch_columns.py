"""Columns without names, and columns that pandas adds."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.batch import iter_batches, read_batch

ROWS = 500
NAMES = [f"pixel{number}" for number in range(1, 785)]
OPTION = re.escape("--label-column first|last|none")


@pytest.fixture(scope="module")
def x(test_images):
    return test_images[:ROWS].reshape(ROWS, 784)


@pytest.fixture(scope="module")
def y(test_labels):
    return test_labels[:ROWS].astype(np.int64)


@pytest.fixture
def check(x, y, tmp_path):
    """Return a function that reads a batch and compares it with the right values."""

    def compare(name, images=x, labels=y, **options):
        batch = read_batch(tmp_path / name, **options)
        np.testing.assert_array_equal(batch.images.reshape(-1, 784), images)
        if labels is None:
            assert batch.labels is None
        else:
            np.testing.assert_array_equal(batch.labels, labels)
        return batch

    return compare


def write(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, images=array)
    elif path.suffix == ".parquet":
        pd.DataFrame(array).rename(columns=str).to_parquet(path)
    elif "header" in path.name:
        pd.DataFrame(array).to_csv(path, index=False)
    else:
        pd.DataFrame(array).to_csv(path, index=False, header=False)
    return path


EVERY = ["b.npy", "b.npz", "b.csv", "header.csv", "b.parquet"]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("place", ["first", "last"])
def test_labels_are_found_on_either_side_of_nameless_pixels(x, y, tmp_path, check, name, place):
    columns = [y, x] if place == "first" else [x, y]
    write(tmp_path / name, np.column_stack(columns))
    check(name)
    check(name, label_column=place)
    indexed = np.column_stack([np.arange(ROWS), *columns])
    write(tmp_path / f"indexed-{name}", indexed)
    check(f"indexed-{name}")
    check(f"indexed-{name}", label_column=place)
    assert len(list(iter_batches(tmp_path / name, 7))) == -(-ROWS // 7)


@pytest.mark.parametrize("name", EVERY)
def test_an_index_before_nameless_pixels_is_no_label(x, tmp_path, check, name):
    write(tmp_path / name, np.column_stack([np.arange(ROWS), x]))
    check(name, labels=None)
    check(name, labels=None, label_column="none")
    with pytest.raises(DataError, match="expected labels 0 to 9"):
        read_batch(tmp_path / name, label_column="first")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "rows", [slice(0, 3), slice(0, 1), "one class", "two classes", "the class 0", "counting"]
)
def test_an_ambiguous_layout_is_refused_and_the_option_named(x, y, tmp_path, check, name, rows):
    chosen = {
        "one class": np.flatnonzero(y == 7),
        "two classes": np.flatnonzero(y <= 1),
        "the class 0": np.flatnonzero(y == 0),
        "counting": np.array([np.flatnonzero(y == label)[0] for label in range(10)]),
    }
    kept = chosen[rows] if isinstance(rows, str) else np.arange(ROWS)[rows]
    quiet = x.copy()
    quiet[:, [0, -1]] = 0
    for place, columns in {"first": [y, quiet], "last": [quiet, y]}.items():
        write(tmp_path / name, np.column_stack(columns)[kept])
        with pytest.raises(DataError, match=OPTION):
            read_batch(tmp_path / name)
        check(name, quiet[kept], y[kept], label_column=place)


def test_a_corner_pixel_that_cannot_be_a_label_decides(x, y, tmp_path, check):
    bright = x[:2].copy()
    bright[:, -1] = 200
    write(tmp_path / "b.csv", np.column_stack([[7, 7], bright]))
    check("b.csv", bright, [7, 7])
    bright = 255 - x[:3]
    write(tmp_path / "b.csv", np.column_stack([bright, y[:3]]))
    check("b.csv", bright, y[:3])


@pytest.mark.parametrize("name", ["b.npy", "b.csv", "b.parquet"])
def test_later_rows_that_contradict_the_first_are_refused(x, y, tmp_path, name):
    first = np.tile(np.column_stack([y, x]), (13, 1))
    last = np.column_stack([x, y])
    write(tmp_path / name, np.vstack([first, last]))
    with pytest.raises(DataError, match=f"{name}.*{OPTION}"):
        read_batch(tmp_path / name)
    wrong = first.copy()
    wrong[-1, 0] = 77
    write(tmp_path / name, wrong)
    with pytest.raises(DataError, match="77"):
        read_batch(tmp_path / name)
    counted = np.column_stack([np.arange(len(first)), first[:, 1:]])
    counted[-1, 0] = 3
    write(tmp_path / name, counted)
    with pytest.raises(DataError, match="index that counts"):
        read_batch(tmp_path / name)


def test_the_option_goes_with_named_columns_too(x, y, tmp_path, check):
    pd.DataFrame(x, columns=NAMES).assign(garment=y).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match="among them garment"):
        read_batch(tmp_path / "b.csv")
    check("b.csv", label_column="last")
    pd.DataFrame(x, columns=NAMES).assign(label="?").to_csv(tmp_path / "t.csv", index=False)
    check("t.csv", labels=None, label_column="none")
    with pytest.raises(DataError, match="got 785 columns"):
        read_batch(tmp_path / "b.csv", label_column="first")


@pytest.mark.parametrize("name", ["b.npy", "b.csv", "b-ubyte", "pngs"])
def test_a_label_column_without_labels_is_refused(x, tmp_path, name):
    if name == "pngs":
        (tmp_path / name).mkdir()
    elif name == "b-ubyte":
        (tmp_path / name).touch()
    else:
        write(tmp_path / name, x)
    with pytest.raises(DataError, match="--label-column"):
        read_batch(tmp_path / name, label_column="last")
    with pytest.raises(DataError, match="--label-column: expected first, last, none, got 'both'"):
        read_batch(tmp_path / name, label_column="both")


HEADERS = {
    "from 0": [str(number) for number in range(784)],
    "from 1": [str(number) for number in range(1, 785)],
    "MNIST in CSV": [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)],
    # Python reads 1_1 as the number 11.
    "underlined": [f"{row}_{column}" for row in range(1, 29) for column in range(1, 29)],
}


@pytest.mark.parametrize("style", HEADERS)
@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("label", [None, "label", "Class"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_numbers_for_names_are_names(x, y, tmp_path, check, style, shuffled, index, label, ending):
    table = pd.DataFrame(x[:40], columns=HEADERS[style])
    if label:
        table[label] = y[:40]
    table = table[sorted(table.columns)] if shuffled else table
    path = tmp_path / f"b.{ending}"
    if ending == "csv":
        table.to_csv(path, index=index)
    else:
        table.to_parquet(path, index=index)
    check(path.name, x[:40], y[:40] if label else None)


INDEXED = {
    "sample": lambda table: table.sample(frac=1, random_state=0),
    "filter": lambda table: table[table["pixel300"] > 100],
    "named": lambda table: table.rename_axis("fold").sort_values("pixel300"),
    "range": lambda table: table[::2],
    "dates": lambda table: table.set_index(pd.date_range("2024-01-01", periods=ROWS)),
    "two levels": lambda table: table.set_index([np.arange(ROWS) // 7, np.arange(ROWS)]),
    "text": lambda table: table.set_index(np.array([f"n{number}" for number in range(ROWS)])),
}


@pytest.mark.parametrize("kind", INDEXED)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_index_of_pandas_is_no_data(x, y, tmp_path, check, kind, ending):
    table = pd.DataFrame(x, columns=NAMES).assign(label=y)
    table = INDEXED[kind](table)
    if ending == "csv":
        table.rename_axis([None] * table.index.nlevels).to_csv(tmp_path / "b.csv")
    else:
        table.to_parquet(tmp_path / "b.parquet")
    check(f"b.{ending}", table[NAMES], table["label"])


def test_an_index_that_was_read_and_written_again_is_no_data(x, y, tmp_path, check):
    pd.DataFrame(x, columns=NAMES).assign(label=y).to_csv(tmp_path / "b.csv")
    for _ in range(2):
        pd.read_csv(tmp_path / "b.csv").to_csv(tmp_path / "b.csv")
        check("b.csv")
    pd.read_csv(tmp_path / "b.csv").to_parquet(tmp_path / "b.parquet")
    check("b.parquet")


@pytest.mark.parametrize("name", ["label", "file"])
def test_an_index_that_holds_labels_or_names_is_used(x, y, tmp_path, check, name):
    table = pd.DataFrame(x, columns=NAMES).assign(label=y)
    table["file"] = [f"{number}.png" for number in range(ROWS)]
    table.set_index(name).to_parquet(tmp_path / "b.parquet")
    assert check("b.parquet").names[3] == "3.png"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_message_about_columns_is_short(x, tmp_path, separator):
    pd.DataFrame(x[:5], columns=NAMES).to_csv(tmp_path / "b.csv", index=False, sep=separator)
    with pytest.raises(DataError, match=r"separated by commas.*pixel5 and 779 more") as raised:
        read_batch(tmp_path / "b.csv")
    assert len(str(raised.value)) < 300


LABELS = {
    "ImageId,Label": lambda y: pd.DataFrame({"ImageId": np.arange(1, ROWS + 1), "Label": y}),
    "id,label from 0": lambda y: pd.DataFrame({"id": np.arange(ROWS), "label": y}),
    "label before id": lambda y: pd.DataFrame({"class": y, "id": np.arange(60001, ROWS + 60001)}),
    "another name": lambda y: pd.DataFrame({"nr": np.arange(ROWS), "Target": y}),
    "one column of any name": lambda y: pd.DataFrame({"garment": y}),
    "other columns": lambda y: pd.DataFrame({"weight": 0.5, "label": y, "fold": y % 3}),
    "ascending with gaps": lambda y: pd.DataFrame({"id": np.arange(ROWS) * 3, "label": y}),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "txt", "parquet"])
@pytest.mark.parametrize("index", [True, False])
def test_files_of_labels_have_names_as_tables_of_pixels_have(x, y, tmp_path, kind, ending, index):
    np.save(tmp_path / "b.npy", x)
    path, table = tmp_path / f"l.{ending}", LABELS[kind](y)
    if ending == "parquet":
        table.to_parquet(path, index=index)
    else:
        table.to_csv(path, index=index)
    np.testing.assert_array_equal(read_batch(tmp_path / "b.npy", path).labels, y)


@pytest.mark.parametrize("kind", ["ImageId,Label", "id,label from 0", "label before id"])
@pytest.mark.parametrize("header", [True, False])
def test_ids_in_another_order_sort_the_labels(x, y, tmp_path, kind, header):
    np.save(tmp_path / "b.npy", x)
    table = LABELS[kind](y).sample(frac=1, random_state=0)
    table.to_csv(tmp_path / "l.csv", index=False, header=header)
    np.testing.assert_array_equal(read_batch(tmp_path / "b.npy", tmp_path / "l.csv").labels, y)


REFUSED = {
    "gaps in another order": ({"id": [4, 2, 9], "label": [1, 2, 3]}, "another order"),
    "an id twice": ({"id": [2, 1, 2], "label": [1, 2, 3]}, "got several for 2"),
    "names in another order": ({"file": ["b", "c", "a"], "label": [1, 2, 3]}, "natural order"),
    "no column of labels": ({"a": [1, 2, 3], "b": [1, 2, 3]}, "one named 'label', got a, b"),
    "text": ({"label": ["Bag", "Coat", "Bag"]}, "whole numbers 0 to 9"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_labels_in_an_ambiguous_column_are_refused(x, tmp_path, fault):
    columns, message = REFUSED[fault]
    np.save(tmp_path / "b.npy", x[:3])
    pd.DataFrame(columns).to_csv(tmp_path / "l.csv", index=False)
    with pytest.raises(DataError, match=message) as raised:
        read_batch(tmp_path / "b.npy", tmp_path / "l.csv")
    assert "l.csv" in str(raised.value)


def test_two_nameless_columns_that_may_both_be_labels_are_refused(x, tmp_path):
    np.save(tmp_path / "b.npy", x[:3])
    (tmp_path / "l.csv").write_text("1,3\n2,0\n3,9\n")
    with pytest.raises(DataError, match="which column holds the labels"):
        read_batch(tmp_path / "b.npy", tmp_path / "l.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_index_of_shuffled_labels_is_not_ignored(x, y, tmp_path, ending):
    np.save(tmp_path / "b.npy", x)

    def read(labels):
        path = tmp_path / f"l.{ending}"
        labels.to_csv(path) if ending == "csv" else labels.to_frame().to_parquet(path)
        return read_batch(tmp_path / "b.npy", path).labels

    labels = pd.Series(y, name="label")
    np.testing.assert_array_equal(read(labels), y)
    with pytest.raises(DataError, match="an index in another order"):
        read(labels.sample(frac=1, random_state=0))
    # The index of a subsample of other data is not a position in this batch.
    part = pd.Series(y, name="label", index=np.random.default_rng(0).permutation(10_000)[:ROWS])
    np.testing.assert_array_equal(read(part), y)


def test_a_series_without_a_name_has_a_header(x, y, tmp_path):
    np.save(tmp_path / "b.npy", x)
    pd.Series(y).to_csv(tmp_path / "l.csv")
    np.testing.assert_array_equal(read_batch(tmp_path / "b.npy", tmp_path / "l.csv").labels, y)
