from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.idx import (
    MAX_BYTES,
    idx_header,
    read_idx,
    read_images,
    read_images_at,
    read_labels,
    read_pair,
    write_idx,
)
from fmnist_lib.data.official_files import FILES, TRAIN_LABELS

IMAGES_HEADER = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28])


@pytest.fixture
def images():
    return np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)


def _error(read, *paths):
    """Return the error message; it must name the file."""
    with pytest.raises(DataError) as caught:
        read(*paths)
    message = str(caught.value)
    assert paths[-1].name in message
    assert "\n" not in message
    return message


def test_official_files_are_read_to_the_last_value(real_data_dir, train_images, train_labels):
    images, labels = read_pair(
        real_data_dir / "train-images-idx3-ubyte.gz", real_data_dir / TRAIN_LABELS
    )
    assert images.shape == (60000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [6000] * 10
    np.testing.assert_array_equal(images[:6000], train_images)
    np.testing.assert_array_equal(labels[:6000], train_labels)


@pytest.mark.parametrize("name", ["images.gz", "images"])
def test_what_is_written_is_read_packed_or_not(tmp_path, images, name):
    write_idx(tmp_path / name, images)
    np.testing.assert_array_equal(read_images(tmp_path / name), images)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_every_type_of_the_format_survives(tmp_path, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    write_idx(tmp_path / "array.gz", array)
    read = read_idx(tmp_path / "array.gz")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def test_writing_twice_gives_the_same_bytes(tmp_path, images, monkeypatch):
    write_idx(tmp_path / "a.gz", images)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_idx(tmp_path / "b.gz", images)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, images, monkeypatch):
    path = tmp_path / "images.gz"
    write_idx(path, images)
    before = path.read_bytes()

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", no_space)
    with pytest.raises(OSError, match="No space"):
        write_idx(path, images + 1)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("array", [np.zeros(3, dtype=np.int64), np.uint8(3)])
def test_what_the_format_has_no_code_for_is_refused(tmp_path, array):
    _error(lambda path: write_idx(path, np.asarray(array)), tmp_path / "array.gz")
    assert list(tmp_path.iterdir()) == []


def test_missing_file(tmp_path):
    assert "found nothing" in _error(read_idx, tmp_path / "no.gz")


def test_directory_instead_of_a_file(tmp_path):
    (tmp_path / "images.gz").mkdir()
    assert "got a directory" in _error(read_idx, tmp_path / "images.gz")


def test_unreadable_file(tmp_path, images, monkeypatch):
    path = tmp_path / "images.gz"
    write_idx(path, images)

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # root may read files of any mode
    assert "Permission denied" in _error(read_idx, path)


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_empty_file(tmp_path, content):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    assert "empty file" in _error(read_idx, path)


def test_truncated_anywhere_is_noticed(tmp_path, images):
    path = tmp_path / "images.gz"
    write_idx(path, images)
    whole = path.read_bytes()
    for size in [1, 2, 5, 12, len(whole) // 2, len(whole) - 8, len(whole) - 1]:
        path.write_bytes(whole[:size])
        _error(read_idx, path)


@pytest.mark.parametrize("size", [3, 9, 16, 500])
def test_truncated_plain_file(tmp_path, images, size):
    path = tmp_path / "images"
    path.write_bytes((IMAGES_HEADER + images.tobytes())[:size])
    message = _error(read_idx, path)
    assert "cut short" in message or "first bytes" in message


def test_a_flipped_bit_anywhere_in_the_official_labels_is_noticed(tmp_path, real_data_dir, rng):
    whole = bytearray((real_data_dir / "t10k-labels-idx1-ubyte.gz").read_bytes())
    path = tmp_path / "labels.gz"
    # The gzip header, with the file's name and date, is not covered by the checksum.
    for position in rng.integers(60, len(whole) - 8, 40):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        _error(read_labels, path)


def test_flipped_checksum(tmp_path, images):
    path = tmp_path / "images.gz"
    write_idx(path, images)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    message = _error(read_idx, path)
    assert "damaged" in message
    assert "CRC" in message


@pytest.mark.parametrize("magic", [b"\x01\0\x08\x03", b"\0\0\x07\x03", b"PK\x03\x04", b"<htm"])
def test_wrong_magic(tmp_path, magic):
    path = tmp_path / "images"
    path.write_bytes(magic + bytes(100))
    assert "expected an IDX file" in _error(read_idx, path)


@pytest.mark.parametrize("dimensions", [0, 33, 255])
def test_absurd_number_of_dimensions(tmp_path, dimensions):
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, dimensions]) + bytes(2000))
    assert "dimensions" in _error(read_idx, path)


def test_trailing_bytes(tmp_path, images):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(IMAGES_HEADER + images.tobytes() + b"!"))
    assert "further bytes" in _error(read_idx, path)


def test_rubbish_after_the_gzip_end(tmp_path, images):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(IMAGES_HEADER + images.tobytes()) + b"rubbish")
    assert "damaged" in _error(read_idx, path)


@pytest.mark.parametrize("rows", [2_000_000, 2**32 - 1])
def test_a_header_that_states_gigabytes_allocates_no_memory(tmp_path, rows):
    path = tmp_path / "images.gz"
    header = IMAGES_HEADER[:4] + rows.to_bytes(4, "big") + IMAGES_HEADER[8:]
    path.write_bytes(gzip.compress(header + bytes(1000)))
    tracemalloc.start()
    message = _error(read_idx, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert ("cut short" if rows * 784 <= MAX_BYTES else "at most") in message


def test_wrong_type(tmp_path, images):
    write_idx(tmp_path / "images.gz", images.astype(np.float32))
    assert "expected values of type uint8, got float32" in _error(
        read_images, tmp_path / "images.gz"
    )


def test_images_of_another_size(tmp_path):
    write_idx(tmp_path / "images.gz", np.zeros((2, 32, 32), dtype=np.uint8))
    assert "28x28" in _error(read_images, tmp_path / "images.gz")


def test_labels_file_as_images_and_the_other_way_round(tmp_path, images):
    write_idx(tmp_path / "images.gz", images)
    write_idx(tmp_path / "labels.gz", np.zeros(2, dtype=np.uint8))
    assert "images file" in _error(read_images, tmp_path / "labels.gz")
    assert "labels file" in _error(read_labels, tmp_path / "images.gz")


def test_no_rows(tmp_path):
    write_idx(tmp_path / "labels.gz", np.zeros(0, dtype=np.uint8))
    assert "got none" in _error(read_labels, tmp_path / "labels.gz")


def test_label_ten(tmp_path):
    write_idx(tmp_path / "labels.gz", np.array([0, 9, 10, 3], dtype=np.uint8))
    assert "got 10 at position 2" in _error(read_labels, tmp_path / "labels.gz")


def test_unequal_counts(tmp_path, images):
    write_idx(tmp_path / "images.gz", images)
    write_idx(tmp_path / "labels.gz", np.zeros(3, dtype=np.uint8))
    message = _error(read_pair, tmp_path / "images.gz", tmp_path / "labels.gz")
    assert "expected 2 labels" in message
    assert "got 3" in message
    assert "images.gz" in message


def test_official_sizes_are_those_of_the_files(real_data_dir):
    assert {name: (real_data_dir / name).stat().st_size for name in FILES} == {
        name: file.size for name, file in FILES.items()
    }


def test_images_at_some_positions_come_in_that_order(tmp_path, images):
    write_idx(tmp_path / "images.gz", images)
    read = read_images_at(tmp_path / "images.gz", np.array([1, 0]), total=2)
    np.testing.assert_array_equal(read, images[::-1])


def test_a_file_larger_than_the_memory_gives_some_of_its_images(tmp_path):
    """The 2.2 GB are a hole in the file, which takes no room on the disk."""
    path, total = tmp_path / "images", 2_800_000
    path.write_bytes(idx_header(np.uint8, (total, 28, 28)))
    with path.open("r+b") as file:
        file.truncate(16 + total * 784)
        file.seek(16 + 2_799_999 * 784)
        file.write(b"\x07" * 784)
    tracemalloc.start()
    try:
        read = read_images_at(path, np.array([2_799_999, 5]), total)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read[0].min() == 7
    assert read[1].max() == 0
    assert peak < 50e6


@pytest.mark.parametrize("total", [1, 3])
def test_images_and_labels_that_do_not_match_are_an_error(tmp_path, images, total):
    write_idx(tmp_path / "images.gz", images)
    assert f"expected {total} images, one for every label, got 2" in _error(
        lambda path: read_images_at(path, np.array([0]), total), tmp_path / "images.gz"
    )


def test_some_images_of_another_size_are_an_error(tmp_path, images):
    write_idx(tmp_path / "images.gz", images[:, :14])
    assert "expected images of 28x28" in _error(
        lambda path: read_images_at(path, np.array([0]), 2), tmp_path / "images.gz"
    )
