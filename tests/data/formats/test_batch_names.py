"""Images keep their file names, are read in natural order, and are matched to labels by name."""

from __future__ import annotations

import io
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.batch import iter_batches, read_batch
from fmnist_lib.data.synthetic import generate

ROWS = 120


@pytest.fixture(scope="module")
def arrays():
    return generate(ROWS, seed=5)


def save(directory, images, names=None):
    directory.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        name = names[number] if names else f"{number}.png"
        Image.fromarray(image).save(directory / name, format="PNG")
    return directory


def csv(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "name",
    ["{}.png", "IMG_{}.PNG", "{:03}.png", "-{}.png", "t10k {} (1).png", "a{}-b.Png"],
)
def test_pictures_come_in_order_of_their_numbers(arrays, tmp_path, name):
    names = [name.format(number) for number in range(ROWS)]
    batch = read_batch(save(tmp_path / "pngs", arrays[0], names))
    np.testing.assert_array_equal(batch.images, arrays[0])
    assert batch.names == tuple(names)


def test_padded_and_unpadded_numbers_are_one_order(arrays, tmp_path):
    names = ["1.png", "2-old.png", "02.png", "10.png", "b1.png"]
    directory = save(tmp_path / "pngs", arrays[0][:5], names)
    assert read_batch(directory).names == ("1.png", "02.png", "2-old.png", "10.png", "b1.png")


def test_names_survive_pieces_and_samples(arrays, tmp_path):
    directory = save(tmp_path / "pngs", arrays[0])
    parts = list(iter_batches(directory, 7))
    assert [name for part in parts for name in part.names] == [f"{n}.png" for n in range(ROWS)]
    sample = read_batch(directory, at_most=20, seed=1)
    rows = [int(name.removesuffix(".png")) for name in sample.names]
    assert rows == sorted(rows)
    np.testing.assert_array_equal(sample.images, arrays[0][rows])
    assert read_batch(save(tmp_path / "one", arrays[0][:1])).names == ("0.png",)


def test_arrays_have_no_names(arrays, tmp_path):
    np.save(tmp_path / "b.npy", arrays[0])
    assert read_batch(tmp_path / "b.npy").names is None


def test_labels_without_names_go_by_natural_order(arrays, tmp_path):
    images, labels = arrays
    directory = save(tmp_path / "pngs", images)
    (tmp_path / "l.txt").write_text("\n".join(map(str, labels)))
    batch = read_batch(directory, tmp_path / "l.txt")
    np.testing.assert_array_equal(batch.labels, labels)
    np.testing.assert_array_equal(batch.images, images)


NAMED = {
    "file": "{}.png",
    "Filename": "{}",
    "Image ID": "{:05}",
    "path": "test/images/{}.PNG",
    "picture": "C:\\pictures\\{}.png",
    "image": "{}.jpg",
}


@pytest.mark.parametrize("column", NAMED)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("label", ["label", "Label", "class"])
def test_labels_with_names_are_matched_to_pictures_by_name(arrays, tmp_path, column, ending, label):
    images, labels = arrays
    directory = save(tmp_path / "pngs", images)
    rows = np.random.default_rng(0).permutation(ROWS)
    table = pd.DataFrame({column: [NAMED[column].format(row) for row in rows], label: labels[rows]})
    path = tmp_path / f"labels.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    np.testing.assert_array_equal(read_batch(directory, path).labels, labels)
    sample = read_batch(directory, path, at_most=30)
    kept = [int(name.removesuffix(".png")) for name in sample.names]
    np.testing.assert_array_equal(sample.labels, labels[kept])


def test_names_in_a_file_without_column_names_are_no_header(arrays, tmp_path):
    images, labels = arrays
    directory = save(tmp_path / "pngs", images)
    lines = [f"{row}.png,{labels[row]}" for row in reversed(range(ROWS))]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    np.testing.assert_array_equal(read_batch(directory, tmp_path / "l.csv").labels, labels)
    (tmp_path / "l.txt").write_text("\n".join(",".join(line.split(",")[::-1]) for line in lines))
    np.testing.assert_array_equal(read_batch(directory, tmp_path / "l.txt").labels, labels)


def test_accents_are_the_same_however_they_are_written(arrays, tmp_path):
    directory = save(tmp_path / "pngs", arrays[0][:2], ["cafe\u0301.png", "x.png"])
    path = csv(tmp_path / "l.csv", file=["x.png", "caf\u00e9.png"], label=[3, 4])
    batch = read_batch(directory, path)
    labels = dict(zip(batch.names, batch.labels.tolist(), strict=True))
    assert labels == {"x.png": 3, "cafe\u0301.png": 4}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.png", "1.png"], "got none for 2.png"),
        (["0.png", "1.png", "2.png", "3.png"], "got 1 for images that are missing: 3.png"),
        (["0.png", "1.png", "1.png"], "got several for 1.png"),
        (["1", "2", "3"], "got none for 0.png"),
        (["a.png", "b.png", "c.png"], r"expected names of images in pngs \(0.png, 1.png, 2.png\)"),
    ],
)
def test_labels_that_name_other_pictures_are_refused(arrays, tmp_path, names, message):
    directory = save(tmp_path / "pngs", arrays[0][:3])
    path = csv(tmp_path / "l.csv", file=names, label=[1] * len(names))
    with pytest.raises(DataError, match=message) as raised:
        read_batch(directory, path)
    assert "l.csv" in str(raised.value)


def test_two_pictures_of_one_name_are_refused_only_if_ambiguous(arrays, tmp_path):
    directory = save(tmp_path / "pngs", arrays[0][:2], ["1.png", "1.PNG"])
    assert set(read_batch(directory).names) == {"1.png", "1.PNG"}
    exact = csv(tmp_path / "exact.csv", file=["1.PNG", "1.png"], label=[3, 4])
    batch = read_batch(directory, exact)
    assert dict(zip(batch.names, batch.labels, strict=True)) == {"1.PNG": 3, "1.png": 4}
    with pytest.raises(DataError, match="several images named like 1"):
        read_batch(directory, csv(tmp_path / "stem.csv", file=["1", "2"], label=[3, 4]))


def test_numbers_that_match_no_name_are_positions(arrays, tmp_path):
    images, labels = arrays
    directory = save(tmp_path / "pngs", images, [f"img_{number}.png" for number in range(ROWS)])
    rows = np.random.default_rng(0).permutation(ROWS)
    path = csv(tmp_path / "l.csv", ImageId=rows + 1, Label=labels[rows])
    np.testing.assert_array_equal(read_batch(directory, path).labels, labels)


def test_pictures_in_sub_folders_are_refused(arrays, tmp_path):
    directory = tmp_path / "pngs"
    for folder in ("10", "9"):
        save(directory, [])
        save(directory / folder, arrays[0][:2])
    for _ in range(2):
        with pytest.raises(DataError, match=r"sub-folders with some: 9, 10.*columns file and"):
            read_batch(directory)
        save(directory, arrays[0][:1])
    folders = ["10", "9"]
    for name in folders:
        (directory / name).rename(tmp_path / name)
    (directory / "notes").mkdir()
    save(directory / "__MACOSX", arrays[0][:1])
    save(directory / ".cache", arrays[0][:1])
    assert read_batch(directory).names == ("0.png",)


def test_what_cannot_be_read_among_the_pictures_is_named(arrays, tmp_path):
    directory = save(tmp_path / "pngs", arrays[0][:3])
    odd = directory / "1b.png"
    for make, message in [
        (lambda: odd.symlink_to(tmp_path / "absent.png"), r"1b\.png: .*a broken link"),
        (lambda: odd.symlink_to(odd), r"1b\.png: "),
        (odd.mkdir, r"1b\.png: .*a folder"),
        (lambda: os.mkfifo(odd), r"1b\.png: .*something else"),
    ]:
        make()
        with pytest.raises(DataError, match=message):
            read_batch(directory)
        odd.rmdir() if odd.is_dir() else odd.unlink()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
@pytest.mark.parametrize("name", ["pngs", "b.npy", "b.csv", "b.parquet", "b.npz", "b-ubyte"])
def test_an_os_error_is_one_message_with_the_files_name(arrays, tmp_path, monkeypatch, error, name):
    save(tmp_path / "pngs", arrays[0][:3])
    (tmp_path / name).touch()
    target = "scandir" if name == "pngs" else "stat"

    def refuse(path, *_, **__):
        error.filename = str(path)
        raise error

    monkeypatch.setattr(os, target, refuse)
    monkeypatch.setattr(type(tmp_path), "stat", refuse)
    with pytest.raises(DataError, match=f"{name}.*{error.strerror}"):
        read_batch(tmp_path / name)
    with pytest.raises(DataError, match=r"l\.csv.*"):
        read_batch(tmp_path / name, tmp_path / "l.csv")


def png_bytes(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_names_in_tables_are_kept_too(arrays, tmp_path):
    images, labels = arrays
    pixels = pd.DataFrame(images.reshape(ROWS, 784)).add_prefix("pixel")
    names = [f"{number}.png" for number in range(ROWS)]
    pixels.assign(file=names).to_csv(tmp_path / "b.csv", index=False)
    pixels.assign(ImageId=range(1, ROWS + 1)).to_parquet(tmp_path / "b.parquet")
    cells = [{"bytes": png_bytes(image), "path": f"{n}.png"} for n, image in enumerate(images)]
    pd.DataFrame({"image": cells, "label": labels}).to_parquet(tmp_path / "hub.parquet")
    rows = np.random.default_rng(0).permutation(ROWS)
    path = csv(tmp_path / "l.csv", file=[names[row] for row in rows], label=labels[rows])
    for name in ("b.csv", "hub.parquet"):
        batch = read_batch(tmp_path / name, path)
        assert batch.names == tuple(names)
        np.testing.assert_array_equal(batch.labels, labels)
        np.testing.assert_array_equal(batch.images, images)
    batch = read_batch(tmp_path / "b.parquet")
    assert batch.names == tuple(str(number) for number in range(1, ROWS + 1))
    by_id = csv(tmp_path / "i.csv", ImageId=rows + 1, Label=labels[rows])
    np.testing.assert_array_equal(read_batch(tmp_path / "b.parquet", by_id).labels, labels)
