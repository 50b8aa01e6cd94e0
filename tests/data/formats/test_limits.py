"""Small files that would fill the memory or take minutes are refused early."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, PngImagePlugin
from pyarrow import parquet

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.corrections import read_corrections
from fmnist_lib.data.formats.batch import iter_batches
from fmnist_lib.data.formats.labels import read_batch_labels
from fmnist_lib.data.formats.parquet_files import check_table
from fmnist_lib.data.formats.pictures import decode_png
from fmnist_lib.data.formats.text_files import MAX_LINES
from fmnist_lib.data.formats.unpacking import opened

ROOT = Path(__file__).resolve().parents[3]
N_IMAGES = 100_000
HEADER = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (N_IMAGES, 28, 28))


def drain(path):
    return sum(len(batch) for batch in iter_batches(path))


def opened_whole(path):
    with opened(path) as file:
        while file.read(1 << 20):
            pass


def zeros(count):
    """Yield zeros in pieces."""
    for _ in range(count >> 20):
        yield bytes(1 << 20)


def write_gzip(path, *parts):
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as file:
        file.writelines(packer.compress(part) for part in parts)
        file.write(packer.flush())
    return path


def test_a_gzip_file_of_black_images_is_refused_unless_it_is_unpacked(tmp_path):
    packed = write_gzip(tmp_path / "images.gz", HEADER, bytes(N_IMAGES * 784))
    with pytest.raises(DataError, match=r"header that states 78400000.*gunzip"):
        next(iter_batches(packed))
    padded = write_gzip(tmp_path / "padded.gz", HEADER[:7] + b"\1" + HEADER[8:], *zeros(80 << 20))
    with pytest.raises(DataError, match=r"unpacks to at most 50 times.*gunzip"):
        opened_whole(padded)
    (tmp_path / "images").write_bytes(gzip.decompress(packed.read_bytes()))
    assert drain(tmp_path / "images") == N_IMAGES


def test_an_npz_of_black_images_is_refused(tmp_path):
    images = np.zeros((N_IMAGES, 28, 28), dtype=np.uint8)
    np.savez_compressed(tmp_path / "batch.npz", images=images)
    with pytest.raises(DataError, match="bytes when unpacked, more than 67108864"):
        drain(tmp_path / "batch.npz")


def test_padding_and_empty_members_do_not_take_minutes(tmp_path):
    start = time.process_time()
    inner = gzip.compress(HEADER[:4] + bytes(12))
    write_gzip(tmp_path / "padded.gz", inner, *zeros(2 << 20))
    (tmp_path / "members.gz").write_bytes(gzip.compress(b"") * 120_000)
    for name in ("padded.gz", "members.gz"):
        with pytest.raises(DataError, match=r"mostly padding, names or empty members"):
            drain(tmp_path / name)
    assert time.process_time() - start < 20


def test_a_table_of_labels_of_any_length_is_not_read(tmp_path):
    lines = write_gzip(tmp_path / "labels.csv.gz", b"label\n", b"1\n" * (MAX_LINES + 1))
    with pytest.raises(DataError, match="expected a table of at most"):
        read_batch_labels(lines)
    with pytest.raises(DataError, match="expected a table of at most"):
        read_corrections(lines, np.zeros(3, dtype=np.uint8))


def test_a_position_of_5000_digits_is_one_message(tmp_path):
    (tmp_path / "c.csv").write_text(f"image,given,corrected\n{'1' * 5000},0,1\n")
    with pytest.raises(DataError, match="expected positions from 0 to 2"):
        read_corrections(tmp_path / "c.csv", np.zeros(3, dtype=np.uint8))


def repeated(value, rows=4096):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), [value])


def pixels(rows):
    return {f"pixel{number}": np.zeros(rows, dtype=np.uint8) for number in range(1, 785)}


def write_parquet(path, table):
    parquet.write_table(pa.table(table), path, compression="zstd", store_schema=False)
    return path


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"image": repeated(bytes(1_000_000))}, "texts of 4096000000 bytes"),
        (pixels(4096) | {"file": repeated("x" * 1_000_000)}, "texts of 4096000000 bytes"),
        ({"image": [np.zeros(1_000_000, dtype=np.uint8)] * 3}, "3000000 values in 3 rows"),
        ({"image": [[0] * 784], "x": pa.array([bytes(9999)], pa.binary(9999))}, "many bytes"),
        ({"image": [[0] * 784], "x": [["x" * 1_000_000]]}, "lists of texts"),
        ({"image": [[0] * 784], "x": [[{"y": "x" * 1_000_000}]]}, "lists of texts"),
    ],
)
def test_a_parquet_file_that_unpacks_to_gigabytes_is_refused(table, problem, tmp_path):
    path = write_parquet(tmp_path / "batch.parquet", table)
    assert path.stat().st_size < 200_000
    with pytest.raises(DataError, match=problem):
        drain(path)


def test_a_parquet_file_of_any_number_of_rows_is_refused(tmp_path):
    n = MAX_LINES + 1
    labels = write_parquet(tmp_path / "labels.parquet", {"label": np.zeros(n, dtype=np.uint8)})
    with pytest.raises(DataError, match=f"at most {MAX_LINES} rows"):
        read_batch_labels(labels)
    images = write_parquet(tmp_path / "images.parquet", pixels(N_IMAGES))
    with pytest.raises(DataError, match=r"write them as \.npy"):
        drain(images)


def test_names_and_pictures_of_parquet_files_are_read(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.full((28, 28), 7, dtype=np.uint8)).save(file, "PNG")
    png = [{"bytes": file.getvalue(), "path": f"{number}.png"} for number in range(3)]
    path = write_parquet(tmp_path / "batch.parquet", {"image": png, "id": ["a", "b", "a"]})
    (batch,) = iter_batches(path)
    assert batch.names == ("a", "b", "a")
    assert (batch.images == 7).all()


def test_damaged_parquet_metadata_never_end_the_process():
    """A damaged size histogram made pyarrow's accessors call abort()."""
    script = Path(__file__).with_name("damaged_parquet.py")
    done = subprocess.run(
        [sys.executable, script],
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]


def test_a_request_of_too_many_rows_or_columns_is_refused():
    for table, rows in ((pixels(5), 4), ({f"c{n}": [1] for n in range(1001)}, 4)):
        file = io.BytesIO()
        parquet.write_table(pa.table(table), file)
        with pytest.raises(DataError, match="at most 4 rows and 1000 columns"):
            check_table(file.getvalue(), "request", rows)


def test_a_picture_is_read_up_to_a_megabyte_whatever_its_texts_unpack_to(tmp_path):
    image, text = Image.fromarray(np.zeros((28, 28), dtype=np.uint8)), PngImagePlugin.PngInfo()
    text.add_text("bomb", "x" * 50_000_000, zip=True)
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=text)
    assert len(file.getvalue()) < 100_000
    with pytest.raises(DataError, match="expected an intact PNG"):
        decode_png(file.getvalue(), "bomb.png")
    text = PngImagePlugin.PngInfo()
    text.add_text("long", "x" * 2_000_000)
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / "1.png", pnginfo=text)
    with pytest.raises(DataError, match="more than 1048576 bytes"):
        drain(tmp_path / "in")
