from __future__ import annotations

import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.sealed_files import read_sealed, write_sealed


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "new" / "file"
    write_sealed(path, b"content")
    return path


def test_what_was_written_is_read(file):
    assert bytes(read_sealed(file)) == b"content"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("position", [0, 6, 7, -1])
def test_one_changed_bit_is_noticed(file, position):
    whole = bytearray(file.read_bytes())
    whole[position] ^= 1
    file.write_bytes(whole)
    with pytest.raises(DataError, match="the file is damaged"):
        read_sealed(file)


@pytest.mark.parametrize("length", [0, 5, 32, 38])
def test_a_file_that_is_cut_short_is_noticed(file, length):
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DataError, match="the file is damaged"):
        read_sealed(file)
