from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.batch import iter_batches, read_batch
from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.data.synthetic import generate

ROWS = 60
NAMES = [f"pixel{number}" for number in range(1, 785)]


@pytest.fixture(scope="module")
def arrays():
    return generate(ROWS, seed=5)


def as_table(images, labels=None):
    table = pd.DataFrame(np.asarray(images).reshape(len(images), 784), columns=NAMES)
    if labels is not None:
        table.insert(0, "label", labels)
    return table


def save_pngs(directory, images):
    directory.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(directory / f"{number:05}.png")
    return directory


def png_bytes(image):
    import io

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, images, labels):
    """Write a batch in the format of the file name."""
    name = path.name
    if name == "pngs":
        save_pngs(path, images)
    elif name.startswith("idx") or name.endswith("ubyte"):
        write_idx(path, images)
    elif name.endswith(".npy"):
        np.save(path, images.reshape(-1, 784))
    elif name.endswith(".npz"):
        np.savez(path, images=images.astype(np.int64), labels=labels)
    elif name == "no-names.csv":
        as_table(images, labels).to_csv(path, index=False, header=False)
    elif name.endswith((".csv", ".csv.gz")):
        as_table(images, labels).to_csv(path, index=False)
    elif name == "hub.parquet":
        cells = [{"bytes": png_bytes(image), "path": None} for image in images]
        pd.DataFrame({"image": cells, "label": labels}).to_parquet(path)
    elif name == "lists.parquet":
        cells = list(images.reshape(-1, 784))
        pd.DataFrame({"image": cells, "label": labels}).to_parquet(path)
    else:
        as_table(images, labels).to_parquet(path)
    return path


LABELLED = [
    "batch.npz",
    "kaggle.csv",
    "kaggle.csv.gz",
    "no-names.csv",
    "batch.parquet",
    "hub.parquet",
    "lists.parquet",
]
UNLABELLED = ["idx.gz", "t10k-images-idx3-ubyte", "batch.npy", "pngs"]


@pytest.mark.parametrize("name", LABELLED + UNLABELLED)
@pytest.mark.parametrize("rows", [7, 4096])
def test_every_format_gives_the_same_images(arrays, tmp_path, name, rows):
    images, labels = arrays
    path = write(tmp_path / name, images, labels)
    parts = list(iter_batches(path, rows))
    assert max(len(part) for part in parts) <= rows
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), images)
    batch = read_batch(path)
    np.testing.assert_array_equal(batch.images, images)
    assert batch.images.dtype == np.uint8
    assert batch.n_in_file == len(batch) == ROWS
    if name in LABELLED:
        np.testing.assert_array_equal(batch.labels, labels)
    else:
        assert batch.labels is None


def test_columns_are_ordered_by_number_not_by_position(arrays, tmp_path):
    images, labels = arrays
    table = as_table(images, labels)
    table[sorted(table.columns)].to_csv(tmp_path / "sorted.csv", index=False)
    batch = read_batch(tmp_path / "sorted.csv")
    np.testing.assert_array_equal(batch.images, images)
    np.testing.assert_array_equal(batch.labels, labels)


def write_labels(path, labels):
    if path.suffix == ".npy":
        np.save(path, labels.astype(np.int64))
    elif path.suffix == ".npz":
        np.savez(path, labels=labels)
    elif path.suffix == ".gz":
        write_idx(path, labels)
    elif path.suffix == ".txt":
        path.write_text("\n".join(map(str, labels)))
    elif path.suffix == ".parquet":
        pd.DataFrame({"label": labels}).to_parquet(path)
    else:
        pd.DataFrame({"id": range(len(labels)), "label": labels}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["l.npy", "l.npz", "l.gz", "l.txt", "l.csv", "l.parquet"])
def test_labels_may_come_from_a_separate_file(arrays, tmp_path, name):
    images, labels = arrays
    batch = write(tmp_path / "batch.npy", images, labels)
    read = read_batch(batch, write_labels(tmp_path / name, labels))
    np.testing.assert_array_equal(read.labels, labels)


@pytest.mark.parametrize("count", [ROWS - 1, ROWS + 1])
def test_labels_of_another_length_are_refused(arrays, tmp_path, count):
    images, labels = arrays
    batch = write(tmp_path / "batch.npy", images, labels)
    other = write_labels(tmp_path / "l.npy", np.resize(labels, count))
    for at_most in (None, 10):
        with pytest.raises(DataError, match=f"expected {ROWS} labels.*got {count}"):
            read_batch(batch, other, at_most=at_most)


@pytest.mark.parametrize("wrong", [-1, 10, 2.5, np.nan])
def test_labels_out_of_range_are_refused(arrays, tmp_path, wrong):
    images, labels = arrays
    batch = write(tmp_path / "batch.npy", images, labels)
    changed = labels.astype(np.float64)
    changed[3] = wrong
    np.save(tmp_path / "l.npy", changed)
    with pytest.raises(DataError, match=r"l\.npy: expected labels 0 to 9.*position 3"):
        read_batch(batch, tmp_path / "l.npy")


def test_a_sample_is_random_seeded_and_keeps_images_and_labels_together(tmp_path):
    images = np.zeros((500, 28, 28), dtype=np.uint8)
    images[:, 0, 0] = np.arange(500) % 250
    np.savez(tmp_path / "b.npz", images=images, labels=images[:, 0, 0] % 10)
    drawn = [read_batch(tmp_path / "b.npz", at_most=50, seed=seed) for seed in (1, 1, 2)]
    for one in drawn:
        assert (len(one), one.n_in_file) == (50, 500)
        np.testing.assert_array_equal(one.labels, one.images[:, 0, 0] % 10)
    np.testing.assert_array_equal(drawn[0].images, drawn[1].images)
    assert not np.array_equal(drawn[0].images, drawn[2].images)


def test_every_image_is_equally_likely_in_a_sample_of_a_file_read_in_chunks(tmp_path):
    images = np.zeros((20_000, 28, 28), dtype=np.uint8)
    images[:, 0, 0] = np.arange(20_000) // 100
    np.save(tmp_path / "b.npy", images)
    counts = np.zeros(200)
    for seed in range(10):
        sample = read_batch(tmp_path / "b.npy", at_most=2000, seed=seed)
        counts += np.bincount(sample.images[:, 0, 0], minlength=200)
    assert counts.sum() == 20_000
    assert abs(counts[:100].sum() - 10_000) < 400


def test_one_image_is_a_batch(arrays, tmp_path):
    np.save(tmp_path / "one.npy", arrays[0][:1])
    assert read_batch(tmp_path / "one.npy").images.shape == (1, 28, 28)


def with_value(images, value):
    changed = images.astype(np.float64)
    changed[5, 3, 3] = value
    return changed


BAD = {
    "wrong shape": (lambda images: images[:, :27], "expected shape"),
    "one image without a batch": (lambda images: images[0], "expected shape"),
    "text": (lambda images: images.astype(str), "expected numbers"),
    "complex": (lambda images: images.astype(complex), "expected numbers"),
    "no rows": (lambda images: images[:0], "at least one image"),
    "NaN": (lambda images: with_value(images, np.nan), "NaN.*row 5"),
    "over 255": (lambda images: with_value(images, 256), "0..255, got 0.0 to 256.0"),
    "negative": (lambda images: with_value(images, -1), "0..255, got -1.0"),
    "scaled": (lambda images: images / 255, "divided by 255"),
    "scaled to float32": (lambda images: (images / 255).astype(np.float32), "divided by 255"),
    "fractions": (lambda images: with_value(images, 3.5), "whole numbers"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("name", ["b.npy", "b.npz"])
def test_a_bad_array_is_one_message_with_the_files_name(arrays, tmp_path, fault, name):
    change, message = BAD[fault]
    if name.endswith("npy"):
        np.save(tmp_path / name, change(arrays[0]))
    else:
        np.savez(tmp_path / name, images=change(arrays[0]))
    with pytest.raises(DataError, match=message) as raised:
        read_batch(tmp_path / name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


BAD_TABLES = {
    "scaled": (lambda table: table / 255, "divided by 255"),
    "over 255": (lambda table: table.astype(int) + 255, "within 0..255"),
    "empty cell": (lambda table: table.astype(float).mask(table == table.max().max()), "NaN"),
    "missing column": (lambda table: table.drop(columns="pixel7"), "784 columns"),
    "other column": (lambda table: table.assign(weight=1), "785 columns.*weight"),
    "no rows": (lambda table: table[:0], "at least one image"),
    "text": (lambda table: table.astype(object).replace(0, "dark"), "table"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_bad_table_is_one_message_with_the_files_name(arrays, tmp_path, fault, ending):
    change, message = BAD_TABLES[fault]
    table = change(as_table(arrays[0]))
    path = tmp_path / f"bad.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    else:
        table = table.astype(str) if fault == "text" else table
        table.to_parquet(path)
    with pytest.raises(DataError, match=message) as raised:
        read_batch(path)
    assert "bad." in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_line_of_other_length_is_named(arrays, tmp_path):
    as_table(arrays[0]).to_csv(tmp_path / "b.csv", index=False)
    with (tmp_path / "b.csv").open("a") as file:
        file.write("1,2,3\n")
    with pytest.raises(DataError, match=r"b\.csv: .*got 3"):
        read_batch(tmp_path / "b.csv")


@pytest.mark.parametrize("damage", ["empty", "cut", "no picture"])
def test_one_corrupt_png_among_a_thousand_is_named(arrays, tmp_path, damage):
    directory = save_pngs(tmp_path / "pngs", np.resize(arrays[0], (1000, 28, 28)))
    bad = directory / "00637.png"
    content = {"empty": b"", "cut": bad.read_bytes()[:100], "no picture": b"hello"}
    bad.write_bytes(content[damage])
    with pytest.raises(DataError, match=r"00637\.png: expected an intact PNG"):
        read_batch(directory)


def test_pictures_of_another_kind_are_named(arrays, tmp_path):
    directory = save_pngs(tmp_path / "pngs", arrays[0][:3])
    Image.fromarray(arrays[0][0]).convert("RGB").save(directory / "a-colour.png")
    with pytest.raises(DataError, match=r"a-colour\.png: .*mode RGB"):
        read_batch(directory)
    (directory / "a-colour.png").unlink()
    Image.fromarray(np.zeros((30, 28), np.uint8)).save(directory / "tall.png")
    with pytest.raises(DataError, match=r"tall\.png: .*28x30"):
        read_batch(directory)
    (directory / "tall.png").rename(directory / "tall.jpg")
    with pytest.raises(DataError, match=r"tall\.jpg"):
        read_batch(directory)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="found none"):
        read_batch(tmp_path)


@pytest.mark.parametrize("name", ["b.xyz", "b.jpg", "b.pkl"])
def test_an_unknown_kind_of_file_is_refused_with_the_known_ones(tmp_path, name):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(DataError, match=r"\.parquet, or a folder of PNG"):
        read_batch(tmp_path / name)


@pytest.mark.parametrize("name", ["b.npy", "b.npz", "b.csv", "b.csv.gz", "b.parquet", "b.gz", "b"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01garbage\xff" * 50])
def test_a_damaged_file_is_one_message(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_batch(tmp_path / name)
    assert name in str(raised.value)


@pytest.mark.parametrize("name", ["batch.npz", "idx.gz", "t10k-images-idx3-ubyte", "b.parquet"])
def test_a_file_that_is_cut_short_is_one_message(arrays, tmp_path, name):
    path = write(tmp_path / name, *arrays)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read_batch(path)


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "batch.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"batch\.npy: expected a readable \.npy file"):
        read_batch(tmp_path / "batch.npy")
    with pytest.raises(DataError, match=r"batch\.npy: expected a readable \.npy file"):
        read_batch(tmp_path / "batch.npy", tmp_path / "batch.npy")


@pytest.mark.parametrize("name", ["missing.npy", "missing.npz", "missing.gz", "missing"])
def test_a_missing_file_is_one_message(tmp_path, name):
    with pytest.raises(DataError, match="missing"):
        read_batch(tmp_path / name)


def test_an_archive_without_images_says_what_is_in_it(tmp_path):
    np.savez(tmp_path / "batch.npz", pictures=np.zeros((2, 28, 28)))
    with pytest.raises(DataError, match=r"'images', got pictures"):
        read_batch(tmp_path / "batch.npz")
