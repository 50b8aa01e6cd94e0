"""Arrays of unknown origin are checked before anything is allocated, unpacked or unpickled."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from fmnist_lib.common.array_files import ArrayFileError, map_npy, read_array, read_npy, read_npz


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(text):
    content = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content.encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (10**15,)}"), "no header"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999,)}"), "short"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-5,)}"), "impossible"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "pickled objects"),
        (header("[" * 100), "no header"),
        (npy(np.array([{"a": 1}], dtype=object)), "pickled objects"),
        (npy(np.zeros(100))[:-1], "cut short"),
        (b"\x93NUMPY\x03\x00", "no header"),
        (b"", "no header"),
    ],
)
def test_a_hostile_header_is_refused(content, problem, tmp_path):
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", content)
    for read in (
        lambda: read_array(content),
        lambda: read_npy(tmp_path / "a.npy"),
        lambda: map_npy(tmp_path / "a.npy"),
        lambda: read_npz(tmp_path / "a.npz", ["images"]),
    ):
        with pytest.raises(ArrayFileError, match=problem):
            read()


def test_a_member_of_zeros_is_refused_before_it_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros(10_000_000, dtype=np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 20_000
    with pytest.raises(ArrayFileError, match="bytes when unpacked, more than 1000000"):
        read_npz(tmp_path / "a.npz", ["images"], 1_000_000)


def test_what_numpy_writes_is_read(tmp_path):
    arrays = {"images": np.arange(12).reshape(3, 4), "f": np.asfortranarray(np.eye(3))}
    np.savez(tmp_path / "a.npz", **arrays)
    np.save(tmp_path / "a.npy", arrays["f"])
    read = read_npz(tmp_path / "a.npz", ["f", "images", "absent"])
    assert set(read) == set(arrays)
    assert all(np.array_equal(read[name], arrays[name]) for name in arrays)
    for found in (read_npy(tmp_path / "a.npy"), map_npy(tmp_path / "a.npy")):
        assert np.array_equal(found, arrays["f"])
