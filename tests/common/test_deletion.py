"""Size and deletion of files."""

from __future__ import annotations

import os

from fmnist_lib.common.deletion import CACHE, Deletion, last_write


def test_the_size_is_what_the_deletion_frees_and_links_are_not_followed(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for place, size in ((outside, 700), (folder, 300), (folder / "deep", 50)):
        place.mkdir()
        (place / "file").write_bytes(bytes(size))
    (folder / "link").symlink_to(outside)
    deletion = Deletion(CACHE, folder)
    size = deletion.size
    assert size == 350 + (folder / "link").lstat().st_size
    assert deletion.apply() == size
    assert not folder.exists()
    assert (outside / "file").stat().st_size == 700


def test_a_file_is_deleted_and_an_absent_one_is_nothing(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(10))
    assert [Deletion(CACHE, file).apply(), Deletion(CACHE, file).apply()] == [10, 0]
    assert Deletion(CACHE, file).size == 0


def test_the_last_write_is_that_of_the_newest_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    for age, path in enumerate((tmp_path, tmp_path / "a", tmp_path / "a" / "file")):
        os.utime(path, (1000 + age, 1000 + age))
    assert last_write(tmp_path) == 1002
    assert last_write(tmp_path / "absent") == 0
